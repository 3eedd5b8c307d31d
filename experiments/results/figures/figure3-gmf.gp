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
1 0.341663 0
2 0.277792 0
3 0.258101 0
4 0.243934 0
5 0.232645 0
6 0.223186 0
7 0.215338 0
8 0.209342 0
9 0.204926 0
10 0.201439 0
11 0.198879 0
12 0.196662 0
13 0.194867 0
14 0.193349 0
15 0.191906 0
16 0.19088 0
17 0.189731 0
18 0.188805 0
19 0.187999 0
20 0.187108 0
EOD
$p0s1 << EOD
1 0.342349 0
2 0.279678 0
3 0.260929 0
4 0.247821 0
5 0.23732 0
6 0.228709 0
7 0.221424 0
8 0.215813 0
9 0.211788 0
10 0.20856 0
11 0.206234 0
12 0.204254 0
13 0.202658 0
14 0.201278 0
15 0.20012 0
16 0.199156 0
17 0.19817 0
18 0.197342 0
19 0.196667 0
20 0.195947 0
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
