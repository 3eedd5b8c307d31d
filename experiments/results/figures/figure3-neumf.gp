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
1 0.314989 0
2 0.256705 0
3 0.236619 0
4 0.223124 0
5 0.213681 0
6 0.206633 0
7 0.201029 0
8 0.196641 0
9 0.192659 0
10 0.188805 0
11 0.18553 0
12 0.182462 0
13 0.179489 0
14 0.176812 0
15 0.174204 0
16 0.171668 0
17 0.169312 0
18 0.166885 0
19 0.164891 0
20 0.162684 0
EOD
$p0s1 << EOD
1 0.316074 0
2 0.258869 0
3 0.239686 0
4 0.227052 0
5 0.218265 0
6 0.21159 0
7 0.206483 0
8 0.202419 0
9 0.19883 0
10 0.195258 0
11 0.192382 0
12 0.189748 0
13 0.187061 0
14 0.184808 0
15 0.182517 0
16 0.180472 0
17 0.178525 0
18 0.176594 0
19 0.175061 0
20 0.173246 0
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
