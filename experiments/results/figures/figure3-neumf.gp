set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure3-neumf.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
1 0.315143 0
2 0.257408 0
3 0.237052 0
4 0.223639 0
5 0.213813 0
6 0.206983 0
7 0.201348 0
8 0.197149 0
9 0.193187 0
10 0.189178 0
11 0.186109 0
12 0.182877 0
13 0.179958 0
14 0.177157 0
15 0.174484 0
16 0.171988 0
17 0.169453 0
18 0.167284 0
19 0.165095 0
20 0.162902 0
EOD
$p0s1 << EOD
1 0.315949 0
2 0.259268 0
3 0.240032 0
4 0.227442 0
5 0.218241 0
6 0.211783 0
7 0.206619 0
8 0.202616 0
9 0.199103 0
10 0.195337 0
11 0.19273 0
12 0.190043 0
13 0.187348 0
14 0.18493 0
15 0.182718 0
16 0.180662 0
17 0.178601 0
18 0.176858 0
19 0.175189 0
20 0.173585 0
EOD
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
set title "NeuMF on MovieLens-1M"
set xlabel "epoch"
set ylabel "mean training loss"
unset logscale x
set xrange [*:*]
set xtics autofreq
set yrange [*:*]
plot $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 2 title "full", \
  $p0s1 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 2 title "mgqe"
