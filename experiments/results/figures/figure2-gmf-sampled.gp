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
12.5 0.612583 0.00969875
25 0.646192 0.0119273
50 0.660265 0.00858809
100 0.658554 0.00893892
EOD
$p0s1 << EOD
6.3346 0.502539 0.00319573
12.6692 0.584934 0.011196
25.3384 0.620033 0.0029649
50.6768 0.646523 0.00444942
EOD
$p0s2 << EOD
3.1673 0.423179 0.0618743
6.2923 0.556457 0.0210249
12.5423 0.650828 0.00850013
25.0423 0.658278 0.0152345
EOD
$p0s3 << EOD
5.41455 0.151488 0.00502012
10.8291 0.189745 0.00853883
21.6582 0.234952 0.00862444
43.3164 0.310513 0.00715096
EOD
$p0s4 << EOD
6.97705 0.598648 0.00705338
8.53955 0.628697 0.0119663
11.6646 0.639294 0.0127531
17.9146 0.652815 0.00417537
EOD
$p0s5 << EOD
6.62551 0.584051 0.0168854
7.83646 0.615949 0.0112972
10.2584 0.629967 0.0117562
15.1022 0.651269 0.0203774
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
set yrange [0.370432:0.689997]
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
  $p0s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe"
