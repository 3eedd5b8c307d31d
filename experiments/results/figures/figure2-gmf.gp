set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure2-gmf.raw.svg"
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
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
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
