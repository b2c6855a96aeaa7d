package dev.mlxnative.internal.shim;

import dev.mlxnative.KernelArgument;

/** An argument of a kernel, and whether the kernel uses it: what it does not use need not be bound. */
public record ReflectedArgument(KernelArgument argument, boolean isUsed) {}
