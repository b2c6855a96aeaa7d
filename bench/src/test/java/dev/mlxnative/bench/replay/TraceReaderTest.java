package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TraceReaderTest {

    private static final String HEADER = "Thread,Time,Action,Pointer,Size,Stream\n";

    @TempDir
    private Path directory;

    @Test
    void resolvesPointersToSlotsAndTakesFreedOnesAgain() throws IOException {
        Trace trace = read(HEADER
                + "0,0,allocate,0x10,100,0\n"
                + "0,1,allocate,0x20,50,0\n"
                + "0,2,free,0x10,100,0\n"
                + "0,3,allocate,0x10,30,0\n");

        assertThat(trace.name()).isEqualTo("trace.csv");
        assertThat(trace.events()).isEqualTo(4);
        assertThat(trace.requests()).isEqualTo(3);
        assertThat(trace.slot(2)).isEqualTo(trace.slot(0)).isEqualTo(trace.slot(3));
        assertThat(trace.slot(1)).isNotEqualTo(trace.slot(0));
        assertThat(trace.isAllocation(2)).isFalse();
        assertThat(trace.isAllocation(3)).isTrue();
        assertThat(trace.size(3)).isEqualTo(30);
    }

    @ParameterizedTest
    @CsvSource({
        "100, 250, 150",
        "1.5e3, 2.75e3, 1250",
        "12:34:56, 12:35:01.5, 5500000",
        "12:34:56:123456, 12:34:56:123500, 44",
        "9:59:59.999999, 10:00:00.000001, 2",
        "23:59:59.9, 00:00:00.1, 200000",
        "1e999, 5, 0"
    })
    void measuresHowLongTheProgramRan(String first, String last, long micros) throws IOException {
        Trace trace = read(HEADER + "0,%s,allocate,0x10,100,0\n0,%s,free,0x10,100,0\n".formatted(first, last));

        assertThat(trace.durationMicros()).isEqualTo(micros);
    }

    @Test
    void countsLiveBuffers() throws IOException {
        Trace trace = read(HEADER
                + "0,0,allocate,0x10,100,0\n"
                + "0,1,allocate,0x20,50,0\n"
                + "0,2,free,0x10,100,0\n"
                + "0,3,allocate,0x30,90,0\n"
                + "0,4,free,0x20,50,0\n");

        assertThat(trace.peakLiveBytes()).isEqualTo(150);
        assertThat(trace.peakLiveCount()).isEqualTo(2);
        assertThat(trace.finalLiveCount()).isEqualTo(1);
    }

    @Test
    void readsTracesThatOutgrowEveryInitialArray() throws IOException {
        var csv = new StringBuilder(HEADER);
        for (int i = 1; i <= 2_000; i++) {
            csv.append("0,0,allocate,0x")
                    .append(Integer.toHexString(i))
                    .append(',')
                    .append(i)
                    .append(",0\n");
        }
        for (int i = 1; i <= 2_000; i++) {
            csv.append("0,0,free,0x")
                    .append(Integer.toHexString(i))
                    .append(',')
                    .append(i)
                    .append(",0\n");
        }

        Trace trace = read(csv.toString());

        assertThat(trace.requests()).isEqualTo(2_000);
        assertThat(trace.peakLiveCount()).isEqualTo(2_000);
        assertThat(trace.peakLiveBytes()).isEqualTo(2_001_000);
        assertThat(trace.finalLiveCount()).isZero();
        assertThat(trace.size(1_999)).isEqualTo(2_000);
        assertThat(trace.slot(3_999)).isEqualTo(trace.slot(1_999));
    }

    @Test
    void findsColumnsByNameAmongOthers() throws IOException {
        Trace trace = read("Size,Note,Stream,Pointer,Action,Time,Thread\n100,first,0,0x10,allocate,0,0\n");

        assertThat(trace.isAllocation(0)).isTrue();
        assertThat(trace.size(0)).isEqualTo(100);
    }

    @Test
    void acceptsLinesEndedAsOnWindowsAndBlankOnes() throws IOException {
        Trace trace = read((HEADER + "0,0,allocate,0x10,100,0\n\n0,1,free,0x10,100,0\n\n").replace("\n", "\r\n"));

        assertThat(trace.events()).isEqualTo(2);
    }

    @Test
    void readsTheLogsOfEveryRmmVersion() throws IOException {
        Trace trace = read(HEADER
                // 0.15: stream in decimal, colon before the microseconds
                + "1979932,14:21:19:998533,allocate,0x30a000000,256,94837483748374\n"
                + "1979932,14:21:19:998601,free,0x30a000000,256,94837483748374\n"
                // 22.04: failures, null pointer as 0x0, stream with 0x
                + "1979932,14:21:20.000001,allocate failure,0x0,18446744073709551615,0x2\n"
                + "1979932,14:21:20.000002,allocate,0x30a000200,512,0x2\n"
                // 25.02: null pointer as (nil), stream in hexadecimal without 0x
                + "1980043,23:59:59.999999,allocate failure,(nil),1099511627776,7f8a38001020\n"
                + "1980043,00:00:00.000000,free,0x30a000200,512,0\n"
                // RMM logs a buffer of 0 bytes, which has no memory
                + "1980043,00:00:00.000001,allocate,(nil),0,0\n"
                + "1980043,00:00:00.000002,free,(nil),0,0\n");

        assertThat(trace.requests()).isEqualTo(2);
        assertThat(trace.events()).isEqualTo(4);
        assertThat(trace.failures()).isEqualTo(2);
        assertThat(trace.finalLiveCount()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "27", "3.5", "1634567890.123456", "1.5e-05", "1:02:03", "12:34:56:123456"})
    void acceptsTimesAsNumbersAndAsClockTimes(String time) throws IOException {
        assertThat(read(HEADER + "0," + time + ",allocate,0x10,100,0\n").requests())
                .isEqualTo(1);
    }

    @Test
    void readsGzipAndPlainAlikeUnderAnyName() throws IOException {
        String csv = HEADER + "0,0,allocate,0x10,100,0\n0,1,allocate,0x20,7,0\n0,2,free,0x10,100,0\n";
        Path plain = Files.writeString(directory.resolve("plain.csv.gz"), csv);
        Path zipped = Files.write(directory.resolve("zipped.csv"), gzip(csv));

        assertThat(TraceReader.read(zipped))
                .usingRecursiveComparison()
                .ignoringFields("name")
                .isEqualTo(TraceReader.read(plain));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    x,0,allocate,0x10,8,0              | bad number in column Thread: x
                    0,noon,allocate,0x10,8,0           | bad number in column Time: noon
                    0,12:34,allocate,0x10,8,0          | bad number in column Time: 12:34
                    0,0,allocate,0xZZ,8,0              | bad number in column Pointer: 0xZZ
                    0,0,allocate,0x11112222333344445,8,0 | bad number in column Pointer: 0x11112222333344445
                    0,0,allocate,,8,0                  | bad number in column Pointer:
                    0,0,allocate,0x10,8.5,0            | bad number in column Size: 8.5
                    0,0,allocate,0x10,+8,0             | bad number in column Size: +8
                    0,0,allocate failure,0x0,-8,0      | bad number in column Size: -8
                    0,0,allocate,0x10,8,zero           | bad number in column Stream: zero
                    0,0,allocate,0x10,-8,0             | negative size: -8
                    0,0,allocate,0x10,0,0              | size 0
                    0,0,free,0x1,0,0                   | size 0
                    0,0,allocate,0x10,9223372036854775808,0 | size beyond 64 bits: 9223372036854775808
                    0,0,allocate,0x10,9223372036854775807,0 | more bytes live than fit a 64-bit number
                    0,0,allocate,(nil),8,0             | allocate of 8 bytes at the null pointer
                    0,0,realloc,0x10,8,0               | unknown action: realloc
                    0,0,Allocate,0x10,8,0              | unknown action: Allocate
                    0,0,free,0x99,8,0                  | free of 0x99, which is not live (--partial skips it)
                    0,0,allocate,0x1,64,0              | allocate of 0x1, which is live since line 2 (--partial frees it first)
                    0,0,free,0x1,63,0                  | free of 0x1 with size 63, but line 2 allocates 64
                    0,0,allocate,0x10,8                | 5 fields, but the header has 6
                    0,0,allocate,0x10,8,0,0            | 7 fields, but the header has 6
                    """)
    void refusesMalformedRows(String row, String reason) {
        String csv = HEADER + "0,0,allocate,0x1,64,0\n\n" + row + "\n0,9,free,0x1,64,0\n";

        assertMalformed(csv.getBytes(StandardCharsets.UTF_8), 4, reason);
    }

    @Test
    void refusesASecondFree() {
        String csv = HEADER + "0,0,allocate,0x1,64,0\n0,1,free,0x1,64,0\n0,2,free,0x1,64,0\n";

        assertMalformed(csv.getBytes(StandardCharsets.UTF_8), 4, "free of 0x1, which is not live (--partial skips it)");
    }

    @Test
    void refusesAnEmptyFile() {
        assertMalformed(new byte[0], 1, "no header: the file is empty");
    }

    @Test
    void refusesAFileWithoutHeader() {
        assertMalformed(
                "0,0,allocate,0x10,8,0\n".getBytes(StandardCharsets.UTF_8),
                1,
                "no column Thread in the header: 0,0,allocate,0x10,8,0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Thread", "Time", "Action", "Pointer", "Size", "Stream"})
    void refusesAHeaderThatLacksAColumn(String column) {
        String header = HEADER.replace(column, "Other");

        assertMalformed(
                header.getBytes(StandardCharsets.UTF_8),
                1,
                "no column " + column + " in the header: " + header.strip());
    }

    @Test
    void refusesAHeaderThatNamesAColumnTwice() {
        String header = HEADER.strip() + ",Size\n";

        assertMalformed(header.getBytes(StandardCharsets.UTF_8), 1, "column Size twice in the header");
    }

    @Test
    void refusesBytesThatAreNotUtf8() {
        String csv = HEADER + "0,0,allocate,0x1,64,0\n0,1,fr\u00e9e,0x1,64,0\n";

        assertMalformed(csv.getBytes(StandardCharsets.ISO_8859_1), 3, "not UTF-8");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0,0,allocate,0x1,64,0,fine\n", "0,0,allocate,0x1,64,0,fine\n0,1,free,0x1,64,0,\n"})
    void refusesAQuoteThatNeverCloses(String rowsBefore) {
        String csv = HEADER.strip() + ",Note\n" + rowsBefore + "0,9,allocate,0x2,64,0,\"open\n";

        var exception = catchThrowableOfType(
                MalformedTraceException.class, () -> readBytes(csv.getBytes(StandardCharsets.UTF_8)));
        assertThat(exception.place()).isEqualTo(String.valueOf(csv.lines().count()));
    }

    @Test
    void countsLinesOfTheFileAndNotRows() {
        String csv = HEADER.strip() + ",Note\n0,0,allocate,0x1,64,0,\"two\nlines\"\n0,1,free,0x2,64,0,\n";

        assertMalformed(csv.getBytes(StandardCharsets.UTF_8), 4, "free of 0x2, which is not live (--partial skips it)");
    }

    @Test
    void refusesTruncatedGzipWithTheLineWhereItBreaksOff() throws IOException {
        var random = new Random(1);
        var csv = new StringBuilder(HEADER);
        for (int i = 1; i <= 20_000; i++) {
            csv.append("0,%d,allocate,0x%x,%d,0\n".formatted(i, i, 1 + random.nextInt(1 << 20)));
        }
        byte[] whole = gzip(csv.toString());
        byte[] truncated = Arrays.copyOf(whole, whole.length / 2);
        long line = 1 + unzippable(truncated).chars().filter(c -> c == '\n').count();

        assertThat(line).isBetween(5_000L, 15_000L);
        assertMalformed(truncated, line, "truncated gzip (--partial replays what is before it)");
    }

    @Test
    void refusesGzipWithoutItsEnd() throws IOException {
        byte[] whole = gzip(HEADER + "0,0,allocate,0x1,64,0\n");

        assertMalformed(
                Arrays.copyOf(whole, whole.length - 1), 3, "truncated gzip (--partial replays what is before it)");
    }

    @Test
    void refusesGzipThatEndsInItsOwnHeader() throws IOException {
        assertMalformed(Arrays.copyOf(gzip(HEADER), 5), 1, "truncated gzip");
    }

    @Test
    void refusesGzipWithAWrongChecksum() throws IOException {
        byte[] corrupt = gzip(HEADER + "0,0,allocate,0x1,64,0\n");
        corrupt[corrupt.length - 8] ^= 1;

        assertThatThrownBy(() -> readBytes(corrupt))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessageContaining(":3: corrupt gzip: ");
    }

    @Test
    void leavesAMissingFileToTheCaller() {
        assertThatThrownBy(() -> TraceReader.read(directory.resolve("missing.csv")))
                .isInstanceOf(NoSuchFileException.class);
    }

    private void assertMalformed(byte[] bytes, long line, String reason) {
        var exception = catchThrowableOfType(MalformedTraceException.class, () -> readBytes(bytes));
        assertThat(exception.reason()).isEqualToIgnoringWhitespace(reason);
        assertThat(exception.place()).isEqualTo(String.valueOf(line));
        assertThat(exception.file()).isEqualTo(directory.resolve("trace.csv").toString());
        assertThat(exception).hasMessage(exception.file() + ":" + line + ": " + exception.reason());
    }

    private Trace read(String csv) throws IOException {
        return readBytes(csv.getBytes(StandardCharsets.UTF_8));
    }

    private Trace readBytes(byte[] bytes) throws IOException {
        return TraceReader.read(Files.write(directory.resolve("trace.csv"), bytes));
    }

    private static byte[] gzip(String text) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(bytes)) {
            gzip.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    /** The text in truncated gzip data up to the break. Independent of the reader: it reads one byte at a time. */
    private static String unzippable(byte[] truncated) throws IOException {
        var text = new StringBuilder();
        try (var gzip = new GZIPInputStream(new ByteArrayInputStream(truncated))) {
            for (int next = gzip.read(); next >= 0; next = gzip.read()) {
                text.append((char) next);
            }
        } catch (EOFException breaksOff) {
            return text.toString();
        }
        throw new AssertionError("not truncated");
    }
}
