set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure2-gmf-sampled.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 0.615894 0
25 0.646192 0
50 0.664238 0
100 0.662417 0
EOD
$p0s1 << EOD
6.3346 0.502152 0
12.6692 0.584272 0
25.3384 0.620364 0
50.6768 0.648013 0
EOD
$p0s2 << EOD
3.1673 0.435265 0
6.2923 0.546689 0
12.5423 0.648013 0
25.0423 0.664238 0
EOD
$p0s3 << EOD
5.41455 0.151222 0
10.8291 0.189625 0
21.6582 0.238742 0
43.3164 0.313576 0
EOD
$p0s4 << EOD
6.97705 0.596689 0
8.53955 0.633278 0
11.6646 0.639404 0
17.9146 0.654305 0
EOD
$p0s5 << EOD
6.62551 0.591556 0
7.83646 0.613576 0
10.2584 0.627152 0
15.1022 0.644205 0
EOD
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
set title "GMF on MovieLens-1M"
set xlabel "size, % of the full table (log)"
set ylabel "sampled HR@10"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.365331:0.680293]
plot $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3,2,3) pt 11 ps 0.75 pointinterval 1 title "hashed", \
  $p0s4 using 1:2 with linespoints lc rgb '#010205' lw 1.4 dt (6,2) pt 12 ps 0.75 pointinterval 1 title "dpq_vq", \
  $p0s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe"
