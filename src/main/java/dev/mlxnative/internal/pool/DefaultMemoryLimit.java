package dev.mlxnative.internal.pool;

import com.sun.management.OperatingSystemMXBean;
import dev.mlxnative.internal.device.MemorySource;
import java.lang.management.ManagementFactory;

/** The memory limit of a pool for which none is set. */
public final class DefaultMemoryLimit {
    /** Bytes of the machine, or of the container that the JVM runs in. */
    private static final long PHYSICAL_BYTES =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();

    private DefaultMemoryLimit() {}

    /** What the device recommends, and at most nine tenths of the physical memory. */
    public static long of(MemorySource source) {
        long most = PHYSICAL_BYTES / 10 * 9;
        long recommended = source.recommendedBytes();
        return recommended > 0 ? Math.min(recommended, most) : most;
    }
}
