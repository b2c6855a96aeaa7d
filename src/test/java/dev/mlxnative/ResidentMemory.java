package dev.mlxnative;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The resident memory of this process, on systems that have {@code /proc}. */
final class ResidentMemory {
    private static final Path STATISTICS = Path.of("/proc/self/smaps_rollup");

    private ResidentMemory() {}

    /** The resident bytes; 0 on a system without {@code /proc}. */
    static long bytes() throws IOException {
        if (!Files.exists(STATISTICS)) {
            return 0;
        }
        for (String line : Files.readAllLines(STATISTICS)) {
            if (line.startsWith("Rss:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        throw new IOException(STATISTICS + " has no line with Rss");
    }
}
