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
12.5 0.612814 0.00383324
25 0.646821 0.005271
50 0.66255 0.00511891
100 0.649054 0.00907599
EOD
$p0s1 << EOD
6.3346 0.501821 0.00191178
12.6692 0.588378 0.00707883
25.3384 0.620596 0.00479327
50.6768 0.648112 0.00513138
EOD
$p0s2 << EOD
3.1673 0.433857 0.0296106
6.2923 0.556424 0.0093008
12.5423 0.646788 0.00931038
25.0423 0.656358 0.00687479
EOD
$p0s3 << EOD
5.41455 0.151936 0.00249868
10.8291 0.188071 0.00460574
21.6582 0.240552 0.0109938
43.3164 0.311567 0.00316365
EOD
$p0s4 << EOD
6.97705 0.599388 0.00288458
8.53955 0.628543 0.00505691
11.6646 0.640066 0.00530443
17.9146 0.651258 0.00307187
EOD
$p0s5 << EOD
6.62551 0.585099 0.0062983
7.83646 0.614602 0.00497453
10.2584 0.631225 0.00489327
15.1022 0.649222 0.0036116
EOD
$p0s6 << EOD
15.2073 0.651214 0.0072133
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
set yrange [0.364402:0.683883]
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
  $p0s5 using 1:2 with linespoints lc rgb '#010206' lw 2.4 dt 1 pt 5 ps 0.75 pointinterval 1 title "mgqe", \
  $p0s6 using 1:2:3 with yerrorbars lc rgb '#010208' ps 0 dt 1 lw 1 notitle, \
  $p0s6 using 1:2 with linespoints lc rgb '#010208' lw 1.8 dt (4,2) pt 9 ps 0.75 pointinterval 1 title "mgqe_f16"
