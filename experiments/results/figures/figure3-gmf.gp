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
1 0.340403 0
2 0.276801 0
3 0.258117 0
4 0.243871 0
5 0.232671 0
6 0.223584 0
7 0.215918 0
8 0.209905 0
9 0.205553 0
10 0.201557 0
11 0.199072 0
12 0.196885 0
13 0.194963 0
14 0.193475 0
15 0.191986 0
16 0.190928 0
17 0.189565 0
18 0.188936 0
19 0.187906 0
20 0.1872 0
EOD
$p0s1 << EOD
1 0.342493 0
2 0.278755 0
3 0.260343 0
4 0.247171 0
5 0.237055 0
6 0.228986 0
7 0.221901 0
8 0.216364 0
9 0.212346 0
10 0.208833 0
11 0.206427 0
12 0.204727 0
13 0.202851 0
14 0.201512 0
15 0.200288 0
16 0.199274 0
17 0.198079 0
18 0.197571 0
19 0.196587 0
20 0.196134 0
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
