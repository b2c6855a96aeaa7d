package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

/** Tests that the reader either reads a file as a consistent trace, or rejects it with a line and a reason. */
@Tag("fuzz")
class TraceReaderFuzzTest {

    @TempDir
    private static Path directory;

    /** Also tests the bytes as gzip, whole and without the last byte: the fuzzer rarely produces a correct checksum. */
    @FuzzTest
    void readsOrRefuses(byte[] bytes) throws IOException {
        boolean readable = readOrRefuse(bytes);
        byte[] compressed = gzip(bytes);
        boolean nested = bytes.length >= 2 && bytes[0] == 0x1f && bytes[1] == (byte) 0x8b;
        assertThat(readOrRefuse(compressed)).isEqualTo(readable && !nested);
        assertThat(readOrRefuse(Arrays.copyOf(compressed, compressed.length - 1)))
                .isFalse();
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var compressed = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(compressed)) {
            gzip.write(bytes);
        }
        return compressed.toByteArray();
    }

    private static boolean readOrRefuse(byte[] bytes) throws IOException {
        Path file = Files.write(directory.resolve("trace.csv"), bytes);
        boolean partial = readOrRefuse(file, new ReadOptions(true, null));
        boolean whole = readOrRefuse(file, ReadOptions.DEFAULT);
        assertThat(partial || !whole).isTrue();
        return whole;
    }

    private static boolean readOrRefuse(Path file, ReadOptions options) throws IOException {
        try {
            Trace trace = TraceReader.read(file, options);
            assertConsistent(trace);
            assertThat(trace.gaps().equals(Gaps.NONE) || options.partial()).isTrue();
            return true;
        } catch (MalformedTraceException e) {
            assertThat(e.place()).isNotBlank();
            assertThat(e.reason()).isNotBlank();
            return false;
        }
    }

    private static void assertConsistent(Trace trace) {
        int requests = 0;
        int live = 0;
        boolean[] full = new boolean[trace.peakLiveCount()];
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            assertThat(full[slot]).isNotEqualTo(trace.isAllocation(event));
            full[slot] = trace.isAllocation(event);
            if (trace.isAllocation(event)) {
                assertThat(trace.size(event)).isBetween(1L, trace.peakLiveBytes());
                requests++;
                live++;
            } else {
                live--;
            }
        }
        assertThat(trace.requests()).isEqualTo(requests);
        assertThat(trace.finalLiveCount()).isEqualTo(live);
    }
}
