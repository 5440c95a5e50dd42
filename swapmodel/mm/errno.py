"""include/uapi/asm-generic/errno-base.h: the error numbers that these functions return, negated as in the kernel."""

EPERM = 1
ENOENT = 2
EINTR = 4
EIO = 5
EAGAIN = 11
ENOMEM = 12
EBUSY = 16
EEXIST = 17
EINVAL = 22
ENOSPC = 28
