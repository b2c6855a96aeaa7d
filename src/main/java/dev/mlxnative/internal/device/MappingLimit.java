package dev.mlxnative.internal.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.StackSafeLock;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The number of memory mappings that a process can have on Linux. The JVM ends if it finds none left for its heap, code
 * or threads, so that a sixteenth of them is kept free. On a system without such a limit everything is granted.
 * Thread-safe.
 *
 * <p>Counting the mappings of the process takes milliseconds if they are many. Each count therefore grants up to a
 * sixteenth of the limit at once.
 */
final class MappingLimit {
    static final MappingLimit OF_PROCESS =
            new MappingLimit(Path.of("/proc/sys/vm/max_map_count"), Path.of("/proc/self/maps"));

    private static final int RESERVED_PART = 16;

    private final Path most;
    private final Path mappings;

    private final StackSafeLock lock = new StackSafeLock();

    @GuardedBy("lock")
    private long granted;

    /**
     * A limit that two files of {@code /proc} tell.
     *
     * @param most a file with the largest number of mappings
     * @param mappings a file with a line for each mapping
     */
    MappingLimit(Path most, Path mappings) {
        this.most = most;
        this.mappings = mappings;
    }

    /**
     * Takes one mapping, for a file.
     *
     * @throws IOException if the process has too few left
     */
    void take(Path file) throws IOException {
        lock.lock();
        try {
            if (granted == 0) {
                granted = grant(file);
            }
            granted--;
        } finally {
            lock.unlock();
        }
    }

    private long grant(Path file) throws IOException {
        if (!Files.isReadable(most) || !Files.isReadable(mappings)) {
            return Long.MAX_VALUE;
        }
        long limit = readLimit();
        long reserved = limit / RESERVED_PART;
        long used = count();
        if (used >= limit - reserved) {
            throw new IOException(file + " cannot be mapped: the process has " + used + " of the " + limit
                    + " memory mappings that the system's setting vm.max_map_count allows, and " + reserved
                    + " are kept for the JVM. Close buffers of other files, or raise the setting");
        }
        return Math.min(limit - reserved - used, Math.max(1, reserved));
    }

    /** Reads the number at once, since the kernel answers no second read of such a file. */
    private long readLimit() throws IOException {
        try (InputStream file = Files.newInputStream(most)) {
            byte[] text = new byte[Long.SIZE];
            int length = Math.max(0, file.read(text));
            return Long.parseLong(new String(text, 0, length, StandardCharsets.US_ASCII).strip());
        }
    }

    private long count() throws IOException {
        try (Stream<String> lines = Files.lines(mappings, StandardCharsets.ISO_8859_1)) {
            return lines.count();
        }
    }
}
