package dev.mlxnative;

/**
 * A fence that waits for the end of a scope. Nobody may wait for it who could be the one to end the scope, as every
 * caller of a pool could.
 */
interface ScopeBound extends MlxFence {}
