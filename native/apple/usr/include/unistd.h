#ifndef APPLE_UNISTD_H
#define APPLE_UNISTD_H

/* macOS manual page getpagesize(3). */
int getpagesize(void);

#endif
