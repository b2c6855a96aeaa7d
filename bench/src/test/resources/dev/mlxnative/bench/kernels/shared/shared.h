#ifndef SHARED
#define SHARED 1.0f
#endif
