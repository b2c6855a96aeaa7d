package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests logs that lack a part of the life of their process. They are refused, or replayed with the option. */
class PartialLogTest {

    private static final String HEADER = "Thread,Time,Action,Pointer,Size,Stream\n";
    private static final String PARTIAL = " (--partial ";

    @TempDir
    private Path directory;

    @Test
    void skipsFreesOfMemoryThatTheLogDoesNotAllocate() throws IOException {
        String csv = HEADER
                + "0,0,free,0x10,64,0\n"
                + "0,1,allocate,0x20,100,0\n"
                + "0,2,free,0x30,64,0\n"
                + "0,3,free,0x20,100,0\n";

        assertRefused(csv, 2, "free of 0x10, which is not live (--partial skips it)");
        Trace trace = readPartial(csv);
        assertThat(events(trace)).containsExactly("allocate 0 100", "free 0");
        assertThat(trace.gaps()).isEqualTo(new Gaps(2, 0, 0, 0));
        assertThat(trace.remarks())
                .containsExactly("partial log: skipped 2 frees of memory that the log does not allocate");
    }

    @Test
    void freesWhatIsAllocatedAgainWithoutAFree() throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,64,0\n0,1,allocate,0x10,32,0\n";

        assertRefused(csv, 3, "allocate of 0x10, which is live since line 2 (--partial frees it first)");
        Trace trace = readPartial(csv);
        assertThat(events(trace)).containsExactly("allocate 0 64", "free 0", "allocate 0 32");
        assertThat(trace.peakLiveBytes()).isEqualTo(64);
        assertThat(trace.gaps()).isEqualTo(new Gaps(0, 1, 0, 0));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', ignoreLeadingAndTrailingWhitespace = false, textBlock = """
            0|1 fields, but the header has 6
            0,1,fr|3 fields, but the header has 6
            0,1,free,0x10,64|5 fields, but the header has 6
            0,1,free,0x10,64,|bad number in column Stream: \
            """)
    void skipsALastLineThatBreaksOff(String torn, String reason) throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,64,0\n" + torn;

        assertRefused(csv, 3, "the last line breaks off: " + reason + " (--partial replays what is before it)");
        Trace trace = readPartial(csv);
        assertThat(events(trace)).containsExactly("allocate 0 64");
        assertThat(trace.finalLiveCount()).isEqualTo(1);
        assertThat(trace.gaps()).isEqualTo(new Gaps(0, 0, 1, 0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"\0", "\0\0\0\0\0\0\0\0\0\0\0\0", "0,1,fr\0\0\0\0\0\0"})
    void skipsTheNulsThatACrashLeavesAtTheEnd(String torn) throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,64,0\n" + torn;

        assertRefused(csv, 3, "the last line breaks off: NUL characters (--partial replays what is before it)");
        assertThat(readPartial(csv).gaps()).isEqualTo(new Gaps(0, 0, 1, 0));
    }

    @Test
    void acceptsACompleteLastLineWithoutItsEnd() throws IOException {
        Trace trace = readPartial(HEADER + "0,0,allocate,0x10,64,0");

        assertThat(trace.requests()).isEqualTo(1);
        assertThat(trace.gaps()).isEqualTo(Gaps.NONE);
        assertThat(trace.remarks()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"0,1,fr\n", "0,1,fr\n0,2,free,0x10,64,0\n", "\0\0\0,1,free,0x10,64,0\n", "0,1,free,0x10,8,0\n"})
    void refusesWhatNoGapExplains(String rest) throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,64,0\n" + rest;

        assertThatThrownBy(() -> readPartial(csv))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessageContaining(":3: ")
                .message()
                .doesNotContain(PARTIAL);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\n", "\uFEFF"})
    void replaysAppendedLogsOneAfterTheOther(String seam) throws IOException {
        String log = HEADER + "0,0,allocate,0x10,64,0\n0,1,allocate,0x20,32,0\n0,2,free,0x10,64,0\n";
        String csv = log + seam + log;

        assertRefused(
                csv,
                seam.equals("\n") ? 6 : 5,
                "a second header, so logs were appended to each other (--partial replays one after the other)");
        Trace trace = readPartial(csv);
        assertThat(events(trace))
                .containsExactly(
                        "allocate 0 64",
                        "allocate 1 32",
                        "free 0",
                        "free 1",
                        "allocate 1 64",
                        "allocate 0 32",
                        "free 1");
        assertThat(trace.peakLiveBytes()).isEqualTo(96);
        assertThat(trace.gaps()).isEqualTo(new Gaps(0, 0, 0, 1));
    }

    @Test
    void findsAHeaderBehindALineThatBreaksOff() throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,64,0\n0,1,fr" + HEADER + "0,0,allocate,0x10,32,0\n";

        assertRefused(
                csv, 3, "a second header, so logs were appended to each other (--partial replays one after the other)");
        Trace trace = readPartial(csv);
        assertThat(events(trace)).containsExactly("allocate 0 64", "free 0", "allocate 0 32");
        assertThat(trace.gaps()).isEqualTo(new Gaps(0, 0, 1, 1));
        assertThat(trace.remarks())
                .containsExactly("partial log: skipped 1 torn end of a log, replayed 1 appended log after the first");
    }

    @Test
    void readsTruncatedGzipUpToItsLastCompleteLine() throws IOException {
        var random = new Random(1);
        var csv = new StringBuilder(HEADER);
        for (int i = 1; i <= 20_000; i++) {
            csv.append("0,%d,allocate,0x%x,%d,0\n".formatted(i, i, 1 + random.nextInt(1 << 20)));
        }
        byte[] whole = gzip(csv.toString());
        Path file = Files.write(directory.resolve("log.csv.gz"), Arrays.copyOf(whole, whole.length / 2));

        Trace trace = TraceReader.read(file, new ReadOptions(true, null));

        assertThat(trace.requests()).isBetween(5_000, 15_000);
        assertThat(trace.gaps()).isEqualTo(new Gaps(0, 0, 1, 0));
        assertThatThrownBy(() -> TraceReader.read(file))
                .hasMessage(file + ":%d: truncated gzip (--partial replays what is before it)", trace.requests() + 2);
    }

    @Test
    void refusesCorruptGzip() throws IOException {
        byte[] corrupt = gzip(HEADER + "0,0,allocate,0x10,64,0\n");
        corrupt[corrupt.length - 8] ^= 1;
        Path file = Files.write(directory.resolve("log.csv.gz"), corrupt);

        assertThatThrownBy(() -> TraceReader.read(file, new ReadOptions(true, null)))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessageContaining(":3: corrupt gzip: ");
    }

    private void assertRefused(String csv, long line, String reason) throws IOException {
        Path file = Files.writeString(directory.resolve("log.csv"), csv);
        assertThatThrownBy(() -> TraceReader.read(file))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessage(file + ":" + line + ": " + reason);
    }

    private Trace readPartial(String csv) throws IOException {
        return TraceReader.read(Files.writeString(directory.resolve("log.csv"), csv), new ReadOptions(true, null));
    }

    private static List<String> events(Trace trace) {
        var events = new ArrayList<String>();
        for (int event = 0; event < trace.events(); event++) {
            events.add(
                    trace.isAllocation(event)
                            ? "allocate %d %d".formatted(trace.slot(event), trace.size(event))
                            : "free " + trace.slot(event));
        }
        return events;
    }

    private static byte[] gzip(String text) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(bytes)) {
            gzip.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }
}
