package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Known defects of the Rust original that are not of its pool. Each test fails if this library has the defect. */
@Tag("contract")
class DeviceTrapsTest {
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    @AfterEach
    void close() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    /** Objective-C calls on a thread without an autorelease pool leak, and report it on standard error. */
    @Test
    void trap10_threadsWithoutAnAutoreleasePoolLeakNothing() throws Exception {
        List<String> options = new ArrayList<>(ForkedJvm.sameLibrary());
        options.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch"));
        ForkedJvm jvm = ForkedJvm.run(options, ShortThreads.class, "10000");
        assertThat(jvm.err()).isEmpty();
        assertThat(jvm.exitStatus()).isZero();
        List<String> left = jvm.out().lines().toList();
        assertThat(left.get(0)).as("bytes on the device").isEqualTo("0");
        assertThat(left.get(1)).as("buffers and events").isEqualTo("0");
        // One leaked page for each of 8,000 threads would be 32 MB or more. The JIT compiler takes up to 10 MB.
        assertThat(Long.parseLong(left.get(2))).as("growth of the process").isLessThan(32_000_000);
    }

    /** In the original, rounding to powers of two makes 25.55 GB of 17.26 GB of weights. Here they keep their size. */
    @Test
    void trap11_weightsAreNotRoundedUp() {
        long weights = (1 << 20) + (1 << 19) + 1;
        try (MlxBuffer buffer = device.allocBuffer(weights, DType.U8)) {
            assertThat(buffer.capacity()).isEqualTo(weights);
            assertThat(device.allocatedBytes() - bytesBefore).isBetween(weights, weights + (1 << 14));
        }
    }
}
