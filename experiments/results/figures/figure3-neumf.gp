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
1 0.315163 0
2 0.257113 0
3 0.23686 0
4 0.223326 0
5 0.213796 0
6 0.206767 0
7 0.201198 0
8 0.196866 0
9 0.192891 0
10 0.188942 0
11 0.185687 0
12 0.18265 0
13 0.179644 0
14 0.176946 0
15 0.174287 0
16 0.171801 0
17 0.169363 0
18 0.167016 0
19 0.165033 0
20 0.162692 0
EOD
$p0s1 << EOD
1 0.316098 0
2 0.259263 0
3 0.239955 0
4 0.227169 0
5 0.218346 0
6 0.211724 0
7 0.206658 0
8 0.202657 0
9 0.199106 0
10 0.195406 0
11 0.1926 0
12 0.190055 0
13 0.18735 0
14 0.185081 0
15 0.182829 0
16 0.180786 0
17 0.178762 0
18 0.176895 0
19 0.175372 0
20 0.17347 0
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
