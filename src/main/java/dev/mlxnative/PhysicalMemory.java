package dev.mlxnative;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** The memory of the machine, or of the container that the JVM runs in. */
final class PhysicalMemory {
    private static final long BYTES =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();

    private PhysicalMemory() {}

    /** How much of it one pool may have by default. */
    static long shareOf(DeviceInfo device) {
        long most = BYTES / 10 * 9;
        long recommended = device.recommendedMaxWorkingSetSize();
        return recommended > 0 ? Math.min(recommended, most) : most;
    }
}
