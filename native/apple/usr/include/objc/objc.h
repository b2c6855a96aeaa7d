#ifndef APPLE_OBJC_OBJC_H
#define APPLE_OBJC_OBJC_H

/* objc4-532 runtime/objc.h; the compiler knows these three by name. */
typedef struct objc_class *Class;
typedef struct objc_selector *SEL;
struct objc_object {
    Class isa;
};
typedef struct objc_object *id;

/* objc4-818.2 test/bool.c: a real bool on arm64, a signed char on x86_64. */
#if __OBJC_BOOL_IS_BOOL
typedef _Bool BOOL;
#else
typedef signed char BOOL;
#endif

/* objc4-818.2 runtime/objc.h; the compiler knows the literals. */
#define YES __objc_yes
#define NO __objc_no

/* objc4-532 runtime/objc.h; the compiler recognises these casts as null objects. */
#define nil ((id)0)
#define Nil ((Class)0)

#endif
