set terminal svg size 430,360 dynamic noenhanced font "system-ui,sans-serif,13" name "plot"
set output "figure2-gmf.raw.svg"
set border 3
set tics nomirror
set grid lc rgb '#010101' lw 1 dt 1
set bars 0.5
set pointintervalbox 0
set format y "%g"
set offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05
$p0s0 << EOD
12.5 0.0633002 0.00189977
25 0.0740066 0.000822564
50 0.0805188 0.00118734
100 0.0814018 0.0125187
EOD
$p0s1 << EOD
6.3346 0.0479581 0.002889
12.6692 0.0575607 0.00411992
25.3384 0.0645695 0.00605901
50.6768 0.0710817 0.00546194
EOD
$p0s2 << EOD
3.1673 0.0263153 0.00809167
6.2923 0.0518764 0.00746439
12.5423 0.0770971 0.00480252
25.0423 0.0816225 0.0135359
EOD
$p0s3 << EOD
5.41455 0.00504142 0.000779728
10.8291 0.00722341 0.00213528
21.6582 0.0134575 0.000680211
43.3164 0.0259106 0.00368139
EOD
$p0s4 << EOD
6.97705 0.0660872 0.00139996
8.53955 0.0731788 0.00484927
11.6646 0.075276 0.0143745
17.9146 0.081457 0.00699229
EOD
$p0s5 << EOD
6.62551 0.0634382 0.00799777
7.83646 0.0690397 0.00948703
10.2584 0.0736203 0.00699634
15.1022 0.0800221 0.00395232
EOD
set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'
set bmargin 6.4
set xlabel offset 0,0.6
set title "GMF on MovieLens-1M"
set xlabel "size, % of the full table (log)"
set ylabel "full-ranking HR@10"
set logscale x
set xrange [2:130]
set xtics (2,5,10,20,50,100)
set yrange [0.0523371:0.0979804]
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
