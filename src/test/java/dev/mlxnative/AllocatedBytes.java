package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;

/** An assertion on the bytes that a device counts as allocated. Drivers may lower the count some time after a free. */
public final class AllocatedBytes {
    private static final int TRIES = Integer.getInteger("mlx.test.memory.tries", 1000);

    private AllocatedBytes() {}

    /** Waits until the device counts exactly this many bytes: for ten seconds, unless the property changes it. */
    public static void assertBackTo(MlxDevice device, long bytes) {
        try {
            for (int i = 0; i < TRIES && device.allocatedBytes() != bytes; i++) {
                TimeUnit.MILLISECONDS.sleep(10);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(device.allocatedBytes()).as("bytes allocated on the device").isEqualTo(bytes);
    }
}
