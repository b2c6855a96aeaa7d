package dev.mlxnative;

/** A compact pool whose segments end with their lease. */
class CheckedCompactPoolTest extends PoolContract {
    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder.sizing(Sizing.COMPACT).checked(true);
    }
}
