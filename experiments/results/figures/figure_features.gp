set terminal svg size 860,340 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure_features.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 0.968286 0.00425855
25 0.97588 0.000891751
50 0.980818 0.00130767
100 0.984916 0.00032805
EOD
$p0s1 << EOD
14.4491 0.943296 0.000783502
26.7134 0.951672 0.0368326
EOD
$p0s2 << EOD
8.33567 0.967684 0.00543595
14.4491 0.98389 0.000520938
EOD
$p0s3 << EOD
8.33567 0.982904 0.000701156
14.4491 0.983902 0.000565819
EOD
$p0s4 << EOD
6.96545 0.898939 0.00460506
11.746 0.930694 0.000504029
EOD
$p0s5 << EOD
5.3408 0.939983 0.0286641
7.35761 0.946004 0.0113226
EOD
$p0s6 << EOD
9.49346 0.947063 0.00410678
13.0789 0.959113 0.00330687
EOD
$p0s7 << EOD
10.2264 0.943433 0.00185778
17.4907 0.952118 0.0015796
EOD
$p0s8 << EOD
16.8021 0.984334 0.00083585
EOD
$p0s9 << EOD
9.31314 0.981467 0.000635276
14.0511 0.983895 0.000578558
EOD
$p0s10 << EOD
16.4414 0.983914 0.000979217
EOD
$p0s11 << EOD
18.8323 0.983442 0.00122904
EOD
$p0s12 << EOD
5.8415 0.976423 0.000708957
7.36665 0.980919 0.00037532
9.89204 0.9834 0.000833539
11.9363 0.984398 0.000476898
EOD
$p0s13 << EOD
100 0.985031 0.000630427
EOD
$p0s14 << EOD
14.0511 0.984178 0.00064491
EOD
$p1s0 << EOD
12.5 0.73959 0.0814518
25 0.761389 0.00385627
50 0.775818 0.015495
100 0.784069 0.01519
EOD
$p1s1 << EOD
15.3681 0.779113 0
27.4913 0.77931 0
EOD
$p1s2 << EOD
9.32092 0.781419 0.00196308
15.3681 0.783115 0.00941515
EOD
$p1s3 << EOD
9.32092 0.781765 0
15.3681 0.783269 0
EOD
$p1s4 << EOD
6.93683 0.779486 0.00229343
10.6288 0.781131 0.00703912
EOD
$p1s5 << EOD
5.85521 0.778482 0
7.32622 0.778072 0
EOD
$p1s6 << EOD
10.2151 0.779193 0
12.984 0.779282 0
EOD
$p1s7 << EOD
11.1786 0.778674 0
18.3786 0.780749 0
EOD
$p1s8 << EOD
17.1852 0.782525 0
EOD
$p1s9 << EOD
9.77746 0.782211 0
14.4641 0.782692 0
EOD
$p1s10 << EOD
16.31 0.782532 0
EOD
$p1s11 << EOD
18.1569 0.782472 0
EOD
$p1s12 << EOD
7.93261 0.782404 0
9.97891 0.782417 0
11.467 0.782749 0
EOD
$p1s13 << EOD
100 0.784062 0.0152154
EOD
$p1s14 << EOD
14.4641 0.782694 0
EOD
set multiplot
set key off
set size 0.5,0.8824
set origin 0,0.1176
set title "DLRM on Frappe"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.89052:0.992318]
plot $p0s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p0s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p0s4 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p0s4 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p0s5 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s5 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p0s6 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p0s6 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p0s7 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p0s7 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p0s8 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p0s8 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p0s9 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p0s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p0s10 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s10 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_f32", \
  $p0s11 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s11 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_field", \
  $p0s12 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s12 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_budget", \
  $p0s13 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s13 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full_int8", \
  $p0s14 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s14 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_int8"
set size 0.5,0.8824
set origin 0.5,0.1176
set title "DLRM on flights"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.65243:0.826749]
plot $p1s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p1s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p1s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p1s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p1s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p1s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p1s4 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p1s4 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p1s5 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p1s6 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p1s7 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p1s8 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p1s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p1s10 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_f32", \
  $p1s11 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_field", \
  $p1s12 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_budget", \
  $p1s13 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p1s13 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full_int8", \
  $p1s14 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "mgqe_int8"
set size 1,0.1176
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
set key center center horizontal samplen 3 width 2
plot NaN with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 title "full", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 title "low_rank", \
  NaN with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 title "scalar_quantized", \
  NaN with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 title "dpq_vq", \
  NaN with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 title "mgqe", \
  NaN with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 title "lsq", \
  NaN with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 title "multiplexed", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 title "quotient_remainder", \
  NaN with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 title "memcom", \
  NaN with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 title "mixed_dim"
unset multiplot
