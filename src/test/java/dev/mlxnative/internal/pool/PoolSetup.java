package dev.mlxnative.internal.pool;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.Sizing;
import dev.mlxnative.Zeroing;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The settings of a pool on a fake memory source. A test changes those that it is about; the others limit nothing and
 * report nothing.
 */
final class PoolSetup {
    static final long PAGE = FakeMemorySource.PAGE;

    /** The largest request that is rounded to a power of two, unless a test says otherwise. */
    static final long LARGEST_POWER_OF_TWO = 64 * PAGE;

    /** No limits, no idle time, no waiting. */
    static final LimitSettings NO_LIMITS =
            new LimitSettings(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE, LARGEST_POWER_OF_TWO, 0, 0, 0);

    final FakeMemorySource source = new FakeMemorySource();
    private LimitSettings limits = NO_LIMITS;
    private long minBucketBytes = 256;
    private Sizing sizing = Sizing.POWER_OF_TWO;
    private Zeroing zeroing = Zeroing.FRESH;
    private LeakDetection leakDetection = LeakDetection.OFF;
    private boolean checked;
    private @Nullable Path allocationLog;

    PoolSetup limits(UnaryOperator<LimitSettings> change) {
        limits = change.apply(limits);
        return this;
    }

    /** No memory is cached: each release frees its native buffer. */
    PoolSetup withoutCache() {
        return limits(settings -> settings.withCacheLimit(0));
    }

    PoolSetup minBucketBytes(long bytes) {
        minBucketBytes = bytes;
        return this;
    }

    PoolSetup sizing(Sizing newSizing) {
        sizing = newSizing;
        return this;
    }

    PoolSetup zeroing(Zeroing newZeroing) {
        zeroing = newZeroing;
        source.isTouchable = true;
        return this;
    }

    PoolSetup leakDetection(LeakDetection level) {
        leakDetection = level;
        return this;
    }

    PoolSetup checked() {
        checked = true;
        source.isTouchable = true;
        return this;
    }

    PoolSetup allocationLog(Path file) {
        allocationLog = file;
        return this;
    }

    PoolConfig config() {
        return new PoolConfig(
                "pool",
                source,
                sizing,
                DefaultLimits.SURPLUS,
                minBucketBytes,
                limits,
                zeroing,
                leakDetection,
                checked,
                allocationLog);
    }

    PoolEngine engine() {
        return new PoolEngine(config());
    }
}
