package dev.mlxnative.internal.pool;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.Sizing;
import dev.mlxnative.Zeroing;
import dev.mlxnative.internal.device.MemorySource;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The settings with which a pool is built. Immutable and checked by the builder.
 *
 * @param name the pool's name in logs, events and management
 * @param source where native memory is allocated
 * @param surplus the share of the peak of live bytes that compact sizing may hold beyond them
 * @param minBucketBytes bytes of the smallest bucket, a power of two
 * @param limits the settings that may change later, at their first values
 * @param checked whether released memory is filled with a pattern and stale segments throw
 * @param allocationLog the file of the allocation log; null for none
 */
public record PoolConfig(
        String name,
        MemorySource source,
        Sizing sizing,
        double surplus,
        long minBucketBytes,
        LimitSettings limits,
        Zeroing zeroing,
        LeakDetection leakDetection,
        boolean checked,
        @Nullable Path allocationLog) {

    /** The rounding rule with which the pool begins. */
    SizeRounding rounding() {
        return new SizeRounding(
                Math.max(minBucketBytes, source.traits().offsetAlignment()),
                limits.roundToPagesAbove(),
                source.traits().pageSize(),
                source.traits().maxBufferLength());
    }
}
