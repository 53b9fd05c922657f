"""How fast frames go through each stage alone and through all together, beside what the machine can do.

Stages of `rtstyle video`: decode (H.264), to_rgb, network (from bytes to bytes), to_yuv, encode (H.264);
"video" is all of them at once through the pipeline, from file to file.

fps is throughput: frames over seconds, from the first read to the finished result. Where several frames
are restyled at once (`Crew`), network and video are as well. Latency is of one frame with nothing else
under way: of the stage alone, and for "video" of one frame read, restyled and written before the next is
begun. What an encoder holds back to look ahead at is not in it.
"""
