package dev.mlxnative.internal.pool;

import com.sun.management.OperatingSystemMXBean;
import dev.mlxnative.internal.device.MemorySource;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;

/** The limits of a pool for which none are set. */
public final class DefaultLimits {
    /** Keeps the footprint below 1.15 times the peak of live bytes, with room for the rounding to 256 bytes. */
    public static final double SURPLUS = 0.14;

    /** Above the sizes of a step in the traces of {@code bench/}, below most weights of a model. */
    private static final long ROUND_TO_PAGES_ABOVE = 32L << 20;

    private static final long TRIM_IDLE_NANOS = TimeUnit.SECONDS.toNanos(60);
    private static final long OFFER_IDLE_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(5);
    /** The part of the memory limit that free memory may fill: a step's worth even of large models. */
    private static final int CACHED_PART = 8;

    /** Bytes of the machine, or of the container that the JVM runs in. */
    private static final long PHYSICAL_BYTES =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();

    private DefaultLimits() {}

    /** The limits of pools on a device. */
    public static LimitSettings of(MemorySource source) {
        long memoryLimit = memoryLimit(source);
        return new LimitSettings(
                memoryLimit,
                cacheLimit(memoryLimit),
                source.traits().maxBufferCount(),
                ROUND_TO_PAGES_ABOVE,
                TRIM_IDLE_NANOS,
                OFFER_IDLE_NANOS,
                WAIT_NANOS);
    }

    /** The cache limit that belongs to a memory limit. */
    public static long cacheLimit(long memoryLimit) {
        return memoryLimit / CACHED_PART;
    }

    /** What the device recommends, and at most nine tenths of the physical memory. */
    private static long memoryLimit(MemorySource source) {
        long most = PHYSICAL_BYTES / 10 * 9;
        long recommended = source.recommendedBytes();
        return recommended > 0 ? Math.min(recommended, most) : most;
    }
}
