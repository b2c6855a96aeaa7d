package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests files whose bytes are not plain UTF-8: encodings, compressions, and text that only resembles a trace. */
class TraceFormatsTest {

    private static final String HEADER = "Thread,Time,Action,Pointer,Size,Stream\n";
    private static final String CSV = HEADER + "0,0,allocate,0x10,100,0\n0,1,free,0x10,100,0\n";

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"UTF-8", "UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"})
    void readsEveryEncodingThatAByteOrderMarkNames(String charset) throws IOException {
        byte[] bytes = ("\uFEFF" + CSV).getBytes(Charset.forName(charset));

        assertThat(read(bytes).events()).isEqualTo(2);
        assertThat(read(gzip(bytes)).events()).isEqualTo(2);
    }

    @Test
    void namesTheEncodingThatTheBytesDoNotFit() {
        byte[] bytes = ("\uFEFF" + CSV + "0,2,allo?,0x10,100,0\n").getBytes(StandardCharsets.UTF_16LE);
        bytes[bytes.length - 2 * "?,0x10,100,0\n".length() + 1] = (byte) 0xd8; // half of a surrogate pair

        assertRefused(bytes, ":4: not UTF-16LE");
    }

    @Test
    void refusesUtf16WithoutAByteOrderMark() {
        assertRefused(CSV.getBytes(StandardCharsets.UTF_16LE), ":1: NUL characters");
    }

    @ParameterizedTest
    @CsvSource({
        "fd377a585a000004e6, compressed with xz, xz -d",
        "28b52ffd2456b100, compressed with Zstandard, zstd -d",
        "425a6839314159, compressed with bzip2, bzip2 -d",
        "04224d186440a7, compressed with LZ4, lz4 -d",
        "504b03041400, a zip archive, unzip",
        "377abcaf271c, a 7z archive, 7z x"
    })
    void namesACompressionThatItDoesNotRead(String start, String name, String command) throws IOException {
        byte[] bytes = HexFormat.of().parseHex(start);
        String reason = ":1: %s, but a trace is plain or gzip: unpack it first (%s)".formatted(name, command);

        assertRefused(bytes, reason);
        assertRefused(gzip(bytes), reason);
    }

    @Test
    void refusesGzipInsideGzip() throws IOException {
        assertRefused(
                gzip(gzip(CSV.getBytes(StandardCharsets.UTF_8))),
                ":1: compressed with gzip twice, but a trace is plain or gzip: unpack it first (gzip -d)");
    }

    @ParameterizedTest
    @CsvSource({";, ;", "'\t', \\u0009"})
    void namesASeparatorThatIsNoComma(String separator, String shown) {
        assertRefused(
                CSV.replace(",", separator),
                ":1: the columns are separated by '%s': replace each by a comma".formatted(shown));
    }

    @Test
    void showsCharactersThatATerminalDoesNot() {
        assertRefused(HEADER + "0,0,al\u001b[2Jlocate,0x10,8,0\n", ":2: unknown action: al\\u001b[2Jlocate");
    }

    @Test
    void shortensLongTexts() {
        assertThatThrownBy(() -> read("x".repeat(100_000).getBytes(StandardCharsets.UTF_8)))
                .hasMessageEndingWith("x...")
                .extracting(e -> e.getMessage().length())
                .satisfies(length -> assertThat((int) length).isLessThan(1_000));
    }

    private void assertRefused(String text, String message) {
        assertRefused(text.getBytes(StandardCharsets.UTF_8), message);
    }

    private void assertRefused(byte[] bytes, String message) {
        assertThatThrownBy(() -> read(bytes))
                .isInstanceOf(MalformedTraceException.class)
                .hasMessage(directory.resolve("trace") + message);
    }

    private Trace read(byte[] bytes) throws IOException {
        return TraceReader.read(Files.write(directory.resolve("trace"), bytes));
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var compressed = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(compressed)) {
            gzip.write(bytes);
        }
        return compressed.toByteArray();
    }
}
