package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** More buffers than Linux allows a process memory maps. */
@EnabledOnOs(OS.LINUX)
class ManyBuffersTest {
    @Test
    void smallBuffersShareMapsAndLargeOnesLeaveHalfOfThemToTheJvm() throws Exception {
        long limit = kernelLimit();
        int count = 140_000;
        ForkedJvm jvm = ForkedJvm.run(
                List.of("--enable-native-access=ALL-UNNAMED"), ManyBuffers.class, Integer.toString(count));
        assertThat(jvm.exitStatus()).as(jvm.out() + jvm.err()).isZero();
        assertThat(jvm.err()).isEmpty();
        List<String> out = jvm.out().lines().toList();
        assertThat(out).hasSize(5);
        // 64 buffers share a map and its guard. The JVM maps some memory of its own meanwhile.
        assertThat(Long.parseLong(out.get(0))).as("maps of small buffers").isLessThan(count / 64 * 2 + 500);
        assertThat(out.get(1)).as("bytes left").isEqualTo("0");
        // Each has a map and a guard. A few maps are kept for small buffers.
        assertThat(Long.parseLong(out.get(2))).as("large buffers").isBetween(limit / 4 - 20, limit / 4);
        assertThat(out.get(3)).contains("no memory map left", "1048577 bytes", "vm.max_map_count", " " + limit + " ");
        assertThat(out.get(4)).as("bytes left").isEqualTo("0");
    }

    private static long kernelLimit() throws IOException {
        // The kernel writes the number for one read from the start, which must be long enough.
        try (InputStream in = Files.newInputStream(Path.of("/proc/sys/vm/max_map_count"))) {
            return Long.parseLong(new String(in.readNBytes(32), StandardCharsets.US_ASCII).strip());
        }
    }
}
