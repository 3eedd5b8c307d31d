set terminal svg size 860,680 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure_features.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 0.972646 0.00120586
25 0.980062 0.000481041
50 0.983306 0.000619902
100 0.984037 0.000431247
EOD
$p0s1 << EOD
14.4491 0.964221 0.015004
26.7134 0.973372 0.0075006
EOD
$p0s2 << EOD
8.33567 0.968738 0.00326771
14.4491 0.98358 0.000595608
EOD
$p0s3 << EOD
8.33567 0.983104 0.000495456
14.4491 0.983953 0.000468235
EOD
$p0s4 << EOD
6.28735 0.982559 0.000843151
12.5373 0.984083 0.00088569
EOD
$p0s5 << EOD
6.96545 0.913544 0.00245403
11.746 0.938811 0.00194688
EOD
$p0s6 << EOD
5.3408 0.953793 0.0027052
7.35761 0.959415 0.00296074
EOD
$p0s7 << EOD
9.49346 0.94918 0.00217059
13.0789 0.956733 0.00358001
EOD
$p0s8 << EOD
10.2264 0.959925 0.0105237
17.4907 0.964596 0.00103973
EOD
$p0s9 << EOD
9.31314 0.982286 0.0012676
14.0511 0.983563 0.000774155
EOD
$p0s10 << EOD
5.99586 0.981045 0.000810301
7.89274 0.983551 0.0007317
9.94865 0.983863 0.000504771
11.9485 0.984095 0.000314194
EOD
$p1s0 << EOD
12.5 0.967847 0.00182573
25 0.975968 0.000921203
50 0.981105 0.000757366
100 0.984916 0.00032805
EOD
$p1s1 << EOD
14.4491 0.956501 0.0148684
26.7134 0.963294 0.0125008
EOD
$p1s2 << EOD
8.33567 0.967434 0.00224476
14.4491 0.983775 0.000350586
EOD
$p1s3 << EOD
8.33567 0.982904 0.000701156
14.4491 0.983902 0.000565819
EOD
$p1s4 << EOD
6.28735 0.981702 0.0015641
12.5373 0.983813 0.000855594
EOD
$p1s5 << EOD
6.96545 0.902666 0.00216675
11.746 0.93154 0.0014579
EOD
$p1s6 << EOD
5.3408 0.953202 0.00106992
7.35761 0.957683 0.00196765
EOD
$p1s7 << EOD
9.49346 0.947456 0.00170424
13.0789 0.960006 0.00168994
EOD
$p1s8 << EOD
10.2264 0.945207 0.00376363
17.4907 0.951834 0.000766701
EOD
$p1s9 << EOD
9.31314 0.981467 0.000635276
14.0511 0.983895 0.000578558
EOD
$p1s10 << EOD
5.28215 0.979279 0.00103967
7.99311 0.982769 0.000377549
9.99883 0.983858 0.000797816
11.9975 0.984188 0.000516658
EOD
$p2s0 << EOD
12.5 0.762277 0.00459171
25 0.784827 0.0033971
50 0.792045 0.00306332
100 0.79967 0.00211443
EOD
$p2s1 << EOD
15.3681 0.79712 0.00406499
27.4913 0.797898 0.00168799
EOD
$p2s2 << EOD
9.32092 0.79508 0.00278372
15.3681 0.799068 0.00329479
EOD
$p2s3 << EOD
9.32092 0.798525 0.00339129
15.3681 0.797739 0.00221523
EOD
$p2s4 << EOD
6.27884 0.791843 0.0041169
12.5288 0.79816 0.00233977
EOD
$p2s5 << EOD
6.93683 0.793878 0.00266942
10.6288 0.79468 0.00187931
EOD
$p2s6 << EOD
5.85521 0.797372 0.00516667
7.32622 0.795051 0.00290883
EOD
$p2s7 << EOD
10.2151 0.796788 0.00262384
12.984 0.797221 0.00289713
EOD
$p2s8 << EOD
11.1786 0.797345 0.00210303
18.3786 0.796075 0.00384665
EOD
$p2s9 << EOD
9.77746 0.797476 0.00139031
14.4641 0.798382 0.00280175
EOD
$p2s10 << EOD
5.95774 0.796734 0.00440376
7.81746 0.796565 0.00149178
9.90365 0.797808 0.00108193
11.9939 0.797132 0.00289651
EOD
$p3s0 << EOD
12.5 0.739845 0.00605473
25 0.761001 0.00275088
50 0.775745 0.00154349
100 0.783943 0.00106596
EOD
$p3s1 << EOD
15.3681 0.77951 0.000924542
27.4913 0.779742 0.00123655
EOD
$p3s2 << EOD
9.32092 0.782734 0.00154164
15.3681 0.783834 0.00120071
EOD
$p3s3 << EOD
9.32092 0.782471 0.000965705
15.3681 0.783586 0.00156544
EOD
$p3s4 << EOD
6.27884 0.774253 0.00101849
12.5288 0.781464 0.00176879
EOD
$p3s5 << EOD
6.93683 0.780667 0.00180126
10.6288 0.781845 0.00140917
EOD
$p3s6 << EOD
5.85521 0.780129 0.001263
7.32622 0.779455 0.00128614
EOD
$p3s7 << EOD
10.2151 0.781002 0.00112159
12.984 0.779955 0.00147315
EOD
$p3s8 << EOD
11.1786 0.78071 0.00150582
18.3786 0.780712 0.00213806
EOD
$p3s9 << EOD
9.77746 0.782866 0.00163405
14.4641 0.783735 0.00100457
EOD
$p3s10 << EOD
5.9476 0.780658 0.000911808
7.96077 0.781458 0.00085303
9.96133 0.782982 0.00115412
11.9258 0.783103 0.000652358
EOD
set multiplot
set key off
set size 0.5,0.4412
set origin 0,0.5588
set title "DCN-V2 on Frappe"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.934363:0.988363]
plot $p0s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p0s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p0s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p0s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p0s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p0s3 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p0s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p0s4 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p0s4 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (1,3) pt 14 ps 0.75 pointinterval 1 title "lsq_all", \
  $p0s5 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p0s5 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p0s6 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p0s6 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p0s7 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p0s7 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p0s8 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p0s8 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p0s9 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p0s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p0s10 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p0s10 using 1:2 with linespoints lc rgb '#010203' lw 2 dt 1 pt 15 ps 0.75 pointinterval 1 title "mgqe_budget"
set size 0.5,0.4412
set origin 0.5,0.5588
set title "DLRM on Frappe"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.934916:0.988916]
plot $p1s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p1s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p1s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p1s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p1s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p1s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p1s3 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p1s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p1s4 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p1s4 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (1,3) pt 14 ps 0.75 pointinterval 1 title "lsq_all", \
  $p1s5 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p1s5 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p1s6 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p1s6 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p1s7 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p1s7 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p1s8 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p1s8 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p1s9 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p1s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p1s10 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p1s10 using 1:2 with linespoints lc rgb '#010203' lw 2 dt 1 pt 15 ps 0.75 pointinterval 1 title "mgqe_budget"
set size 0.5,0.4412
set origin 0,0.1176
set title "DCN-V2 on flights"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.755537:0.80367]
plot $p2s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p2s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p2s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p2s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p2s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p2s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p2s3 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p2s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p2s4 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p2s4 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (1,3) pt 14 ps 0.75 pointinterval 1 title "lsq_all", \
  $p2s5 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p2s5 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p2s6 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p2s6 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p2s7 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p2s7 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p2s8 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p2s8 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p2s9 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p2s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p2s10 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p2s10 using 1:2 with linespoints lc rgb '#010203' lw 2 dt 1 pt 15 ps 0.75 pointinterval 1 title "mgqe_budget"
set size 0.5,0.4412
set origin 0.5,0.1176
set title "DLRM on flights"
set xlabel "size, % of the full table (log)"
set ylabel "AUC"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.733943:0.787943]
plot $p3s0 using 1:2:3 with yerrorbars lc rgb '#010201' ps 0 dt 1 lw 1 notitle, \
  $p3s0 using 1:2 with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 pointinterval 1 title "full", \
  $p3s1 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p3s1 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 pointinterval 1 title "low_rank", \
  $p3s2 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p3s2 using 1:2 with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 pointinterval 1 title "scalar_quantized", \
  $p3s3 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p3s3 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 pointinterval 1 title "lsq", \
  $p3s4 using 1:2:3 with yerrorbars lc rgb '#010207' ps 0 dt 1 lw 1 notitle, \
  $p3s4 using 1:2 with linespoints lc rgb '#010207' lw 1.2 dt (1,3) pt 14 ps 0.75 pointinterval 1 title "lsq_all", \
  $p3s5 using 1:2:3 with yerrorbars lc rgb '#010204' ps 0 dt 1 lw 1 notitle, \
  $p3s5 using 1:2 with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 pointinterval 1 title "multiplexed", \
  $p3s6 using 1:2:3 with yerrorbars lc rgb '#010202' ps 0 dt 1 lw 1 notitle, \
  $p3s6 using 1:2 with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 pointinterval 1 title "quotient_remainder", \
  $p3s7 using 1:2:3 with yerrorbars lc rgb '#010205' ps 0 dt 1 lw 1 notitle, \
  $p3s7 using 1:2 with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 pointinterval 1 title "memcom", \
  $p3s8 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p3s8 using 1:2 with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 pointinterval 1 title "mixed_dim", \
  $p3s9 using 1:2:3 with yerrorbars lc rgb '#010206' ps 0 dt 1 lw 1 notitle, \
  $p3s9 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p3s10 using 1:2:3 with yerrorbars lc rgb '#010203' ps 0 dt 1 lw 1 notitle, \
  $p3s10 using 1:2 with linespoints lc rgb '#010203' lw 2 dt 1 pt 15 ps 0.75 pointinterval 1 title "mgqe_budget"
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
set key center center horizontal maxcols 3 samplen 3 width 2
plot NaN with linespoints lc rgb '#010201' lw 1.4 dt 1 pt 7 ps 0.75 title "full", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (8,4) pt 4 ps 0.75 title "low_rank", \
  NaN with linespoints lc rgb '#010203' lw 1.2 dt (3,3) pt 8 ps 0.75 title "scalar_quantized", \
  NaN with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 title "mgqe", \
  NaN with linespoints lc rgb '#010203' lw 2 dt 1 pt 15 ps 0.75 title "mgqe_budget", \
  NaN with linespoints lc rgb '#010207' lw 1.2 dt (3,1) pt 6 ps 0.75 title "lsq", \
  NaN with linespoints lc rgb '#010207' lw 1.2 dt (1,3) pt 14 ps 0.75 title "lsq_all", \
  NaN with linespoints lc rgb '#010204' lw 1.2 dt (10,3) pt 10 ps 0.75 title "multiplexed", \
  NaN with linespoints lc rgb '#010202' lw 1.2 dt (1,2) pt 3 ps 0.75 title "quotient_remainder", \
  NaN with linespoints lc rgb '#010205' lw 1.2 dt (5,3) pt 1 ps 0.75 title "memcom", \
  NaN with linespoints lc rgb '#010208' lw 1.2 dt (8,2,2,2) pt 13 ps 0.75 title "mixed_dim"
unset multiplot
