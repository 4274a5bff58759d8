"""The parts of particle video (Sand and Teller, CVPR 2006; IJCV 80(1), 2008), one file each."""
