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
1 0.341522 0
2 0.277504 0
3 0.258215 0
4 0.244125 0
5 0.232948 0
6 0.223494 0
7 0.215585 0
8 0.209539 0
9 0.205074 0
10 0.20155 0
11 0.198935 0
12 0.196733 0
13 0.194894 0
14 0.193431 0
15 0.191973 0
16 0.190883 0
17 0.189719 0
18 0.188848 0
19 0.18798 0
20 0.187124 0
EOD
$p0s1 << EOD
1 0.342487 0
2 0.279415 0
3 0.261101 0
4 0.247954 0
5 0.23765 0
6 0.229005 0
7 0.221712 0
8 0.216083 0
9 0.211995 0
10 0.208732 0
11 0.206331 0
12 0.204367 0
13 0.202692 0
14 0.201411 0
15 0.200208 0
16 0.199158 0
17 0.1982 0
18 0.197413 0
19 0.196688 0
20 0.195898 0
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
