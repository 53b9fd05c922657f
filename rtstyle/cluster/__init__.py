"""One long video restyled by many processes or machines, and joined into one file.

The video is cut into segments (`segments`); a worker decodes, restyles and encodes one at a time
(`workers`); the packets go into one file in order (`join`). Ray carries them between machines (`farm`, the
only module that needs it).

Packets, since the network is the slow part: of a restyled 640x360 picture they are 9 kB (H.264, crf 18),
of the picture without loss 89 kB (H.264) or 137 kB (FFV1), and untouched 346 kB. To encode once, on the
machine that joins, would tie all others to the speed of one encoder besides.
"""
