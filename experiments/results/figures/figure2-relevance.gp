set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure2-relevance.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 16.0452 0.34501
25 15.2426 0.437481
50 14.5545 0.323477
100 14.0306 0.119254
EOD
$p0s1 << EOD
6.2888 16.5654 0.476528
12.5776 15.9708 0.267455
25.1552 15.34 0.767673
50.3104 14.5565 0.255814
EOD
$p0s2 << EOD
3.1638 21.4246 1.23768
6.2888 16.6465 0.0863338
12.5388 14.3144 0.157181
25.0388 14.0067 0.177564
EOD
$p0s3 << EOD
4.96605 20.3007 0.00448184
9.9321 20.2029 0.0130361
19.8642 19.7792 0.0105088
39.7284 18.7806 0.032914
EOD
$p0s4 << EOD
8.09105 14.8663 0.0982813
11.2161 14.3369 0.169679
17.4661 14.0677 0.208531
29.9661 14.011 0.176059
EOD
$p0s5 << EOD
7.388 15.0668 0.0293882
9.80995 14.5033 0.209454
14.6539 14.2312 0.138237
24.3417 13.9957 0.208911
EOD
$p0s6 << EOD
14.983 14.1089 0.11449
EOD
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
set title "item-to-item relevance, Steam"
set xlabel "size, % of the full table (log)"
set ylabel "RMSE"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [13.4979:16.7948]
plot $p0s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p0s3 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3,2,3) pt 11 ps 0.75 pointinterval 1 title "hashed", \
  $p0s4 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p0s4 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p0s5 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p0s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p0s6 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p0s6 using 1:2 with linespoints lc rgb '#010208' lw 1.8 dt (4,2) pt 9 ps 0.75 pointinterval 1 title "mgqe_f16"
