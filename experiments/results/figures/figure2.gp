set terminal svg size 860,660 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure2.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 0.0638079 0.00131292
25 0.073245 0.00137573
50 0.08 0.00135874
100 0.0802271 0.00351285
EOD
$p0s1 << EOD
6.3346 0.0475166 0.00171968
12.6692 0.0591391 0.00335038
25.3384 0.065298 0.00360021
50.6768 0.0714901 0.00239436
EOD
$p0s2 << EOD
3.1673 0.0281595 0.00468755
6.2923 0.0518543 0.00316226
12.5423 0.0759602 0.00279338
25.0423 0.0799669 0.00561766
EOD
$p0s3 << EOD
5.41455 0.00495311 0.000455634
10.8291 0.0075241 0.000965171
21.6582 0.0142997 0.00146154
43.3164 0.025298 0.00168943
EOD
$p0s4 << EOD
6.97705 0.0646192 0.00254408
8.53955 0.0708278 0.00511255
11.6646 0.0748345 0.00576246
17.9146 0.0807285 0.00285768
EOD
$p0s5 << EOD
6.62551 0.0628642 0.00301172
7.83646 0.0687417 0.00415274
10.2584 0.073808 0.00254405
15.1022 0.0798676 0.0021039
EOD
$p0s6 << EOD
15.2073 0.0807671 0.00471113
EOD
$p1s0 << EOD
100 0.0792495 0.00715183
EOD
$p1s1 << EOD
11.6646 0.0777318 0.0178812
17.9146 0.0793874 0.0283992
EOD
$p1s2 << EOD
10.2584 0.0738962 0.00308712
15.1022 0.0793598 0.00297561
EOD
$p2s0 << EOD
25 0.152649 0
100 0.250232 0.00760879
EOD
$p2s1 << EOD
25.4684 0.20447 0
EOD
$p2s2 << EOD
12.5585 0.236589 0
EOD
$p2s3 << EOD
17.182 0.245629 0.00393142
EOD
$p2s4 << EOD
13.4349 0.250111 0.00473168
EOD
$p3s0 << EOD
12.5 16.0452 0.34501
25 15.2426 0.437481
50 14.5545 0.323477
100 14.0306 0.119254
EOD
$p3s1 << EOD
6.2888 16.5654 0.476528
12.5776 15.9708 0.267455
25.1552 15.34 0.767673
50.3104 14.5565 0.255814
EOD
$p3s2 << EOD
3.1638 21.4246 1.23768
6.2888 16.6465 0.0863338
12.5388 14.3144 0.157181
25.0388 14.0067 0.177564
EOD
$p3s3 << EOD
4.96605 20.3007 0.00448184
9.9321 20.2029 0.0130361
19.8642 19.7792 0.0105088
39.7284 18.7806 0.032914
EOD
$p3s4 << EOD
8.09105 14.8663 0.0982813
11.2161 14.3369 0.169679
17.4661 14.0677 0.208531
29.9661 14.011 0.176059
EOD
$p3s5 << EOD
7.388 15.0668 0.0293882
9.80995 14.5033 0.209454
14.6539 14.2312 0.138237
24.3417 13.9957 0.208911
EOD
$p3s6 << EOD
14.983 14.1089 0.11449
EOD
set multiplot
set key off
set size 0.5,0.4545
set origin 0,0.5455
set title "GMF on MovieLens-1M"
set xlabel "size, % of the full table (log)"
set ylabel "full-ranking HR@10"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.0444219:0.0881027]
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
set size 0.5,0.4545
set origin 0.5,0.5455
set title "NeuMF on MovieLens-1M"
set xlabel "size, % of the full table (log)"
set ylabel "full-ranking HR@10"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.0491765:0.0873261]
plot $p1s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p1s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p1s1 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p1s1 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p1s2 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p1s2 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe"
set size 0.5,0.4545
set origin 0,0.0909
set title "SASRec on MovieLens-1M"
set xlabel "size, % of the full table (log)"
set ylabel "full-ranking HR@10"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.149235:0.261254]
plot $p2s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p2s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p2s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p2s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p2s3 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p2s3 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p2s4 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p2s4 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_int8"
set size 0.5,0.4545
set origin 0.5,0.0909
set title "item-to-item relevance, Steam"
set xlabel "size, % of the full table (log)"
set ylabel "RMSE"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [13.4979:16.7948]
plot $p3s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p3s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p3s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p3s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p3s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p3s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p3s3 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p3s3 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3,2,3) pt 11 ps 0.75 pointinterval 1 title "hashed", \
  $p3s4 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p3s4 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p3s5 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p3s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p3s6 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p3s6 using 1:2 with linespoints lc rgb '#010208' lw 1.8 dt (4,2) pt 9 ps 0.75 pointinterval 1 title "mgqe_f16"
set size 1,0.0909
set origin 0,0
set margins 0,0,0,0
unset title
unset xlabel
unset ylabel
unset tics
unset border
unset grid
unset logscale x
set xrange [0:1]
set yrange [0:1]
set key center center horizontal maxcols 3 samplen 3 width 2
plot NaN with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 title "full", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 title "low_rank", \
  NaN with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 title "scalar_quantized", \
  NaN with linespoints lc rgb '#010204' lw 1.2 dt (10,3,2,3) pt 11 ps 0.75 title "hashed", \
  NaN with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 title "dpq_vq", \
  NaN with linespoints lc rgb '#010208' lw 1.8 dt (4,2) pt 9 ps 0.75 title "mgqe_f16", \
  NaN with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 title "mgqe"
unset multiplot
