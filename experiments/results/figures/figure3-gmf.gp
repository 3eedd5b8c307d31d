set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure3-gmf.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
1 0.340794 0
2 0.276751 0
3 0.258 0
4 0.243806 0
5 0.232744 0
6 0.223361 0
7 0.215507 0
8 0.20956 0
9 0.205078 0
10 0.201435 0
11 0.198859 0
12 0.196732 0
13 0.194913 0
14 0.193482 0
15 0.191997 0
16 0.190909 0
17 0.189827 0
18 0.188816 0
19 0.18809 0
20 0.187139 0
EOD
$p0s1 << EOD
1 0.342113 0
2 0.278651 0
3 0.260639 0
4 0.247378 0
5 0.237297 0
6 0.228817 0
7 0.221571 0
8 0.216089 0
9 0.211957 0
10 0.208636 0
11 0.206259 0
12 0.204436 0
13 0.202704 0
14 0.201481 0
15 0.200264 0
16 0.199193 0
17 0.19832 0
18 0.197366 0
19 0.196779 0
20 0.195918 0
EOD
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
set title "GMF on MovieLens-1M"
set xlabel "epoch"
set ylabel "mean training loss"
unset logscale x
set xrange [*:*]
set xtics autofreq
set yrange [*:*]
plot $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 2 title "full", \
  $p0s1 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 2 title "mgqe"
