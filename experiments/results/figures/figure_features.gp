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
12.5 0.966919 0
25 0.976504 0
50 0.979373 0
100 0.981162 0
EOD
$p0s1 << EOD
14.4491 0.968394 0
26.7134 0.975664 0
EOD
$p0s2 << EOD
8.33567 0.965722 0
14.4491 0.97911 0
EOD
$p0s3 << EOD
8.33567 0.97807 0
14.4491 0.979747 0
EOD
$p0s4 << EOD
6.96545 0.910155 0
11.746 0.93224 0
EOD
$p0s5 << EOD
5.3408 0.950056 0
7.35761 0.959881 0
EOD
$p0s6 << EOD
9.49346 0.949843 0
13.0789 0.95786 0
EOD
$p0s7 << EOD
9.31314 0.978291 0
EOD
$p0s8 << EOD
100 0.981179 0
EOD
$p1s0 << EOD
12.5 0.967145 0
25 0.975728 0
50 0.978367 0
100 0.980691 0
EOD
$p1s1 << EOD
14.4491 0.96638 0
26.7134 0.974844 0
EOD
$p1s2 << EOD
8.33567 0.961519 0
14.4491 0.979513 0
EOD
$p1s3 << EOD
8.33567 0.979413 0
14.4491 0.980265 0
EOD
$p1s4 << EOD
6.96545 0.894869 0
11.746 0.9278 0
EOD
$p1s5 << EOD
5.3408 0.950627 0
7.35761 0.956946 0
EOD
$p1s6 << EOD
9.49346 0.949362 0
13.0789 0.956515 0
EOD
$p1s7 << EOD
9.31314 0.978382 0
EOD
$p1s8 << EOD
100 0.980695 0
EOD
set multiplot
set key off
set size 0.5,0.8824
set origin 0,0.1176
set title "DCN-V2 on Frappe"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.907043:0.984291]
plot $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p0s4 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p0s5 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p0s6 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p0s7 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p0s8 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full_int8"
set size 0.5,0.8824
set origin 0.5,0.1176
set title "DLRM on Frappe"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.891314:0.98425]
plot $p1s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p1s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p1s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p1s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p1s4 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p1s5 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p1s6 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p1s7 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p1s8 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full_int8"
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
  NaN with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 title "mgqe", \
  NaN with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 title "lsq", \
  NaN with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 title "multiplexed", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 title "quotient_remainder", \
  NaN with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 title "memcom"
unset multiplot
