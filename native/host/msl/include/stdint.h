// Empty: the integer types are in scalar.h.
