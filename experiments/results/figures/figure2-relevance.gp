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
12.5 16.2514 0.412945
25 15.453 3.56848
50 14.7161 2.51071
100 14.0359 0.0165178
EOD
$p0s1 << EOD
6.2888 16.6458 4.49729
12.5776 15.9778 2.33409
25.1552 15.5101 8.71123
50.3104 14.6417 0.726148
EOD
$p0s2 << EOD
3.1638 21.0315 11.1857
6.2888 16.6373 0.971374
12.5388 14.3525 0.0152472
25.0388 14.0378 0.0095295
EOD
$p0s3 << EOD
4.96605 20.3038 0.0012706
9.9321 20.2066 0.0266826
19.8642 19.7803 0.0749654
39.7284 18.7957 0.283979
EOD
$p0s4 << EOD
8.09105 14.8437 0
11.2161 14.3126 0
17.4661 14.2054 0
29.9661 14.0314 0
EOD
$p0s5 << EOD
7.388 15.0629 0.199484
9.80995 14.5544 1.8087
14.6539 14.3048 0.388804
24.3417 14.0397 0.0038118
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
set yrange [6.0041:8.15864]
plot $p0s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p0s3 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3,2,3) pt 11 ps 0.75 pointinterval 1 title "hashed", \
  $p0s4 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p0s5 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p0s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe"
