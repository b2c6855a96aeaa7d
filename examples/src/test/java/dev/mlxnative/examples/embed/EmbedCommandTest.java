package dev.mlxnative.examples.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.mlxnative.Backend;
import dev.mlxnative.ForkedJvm;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.replay.ReplayCommand;
import dev.mlxnative.internal.shim.NativeLibrary;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the command {@code embed} from its arguments to its exit code, with the real model. */
class EmbedCommandTest {

    private static final String CAT = "A cat sits on the mat.";
    private static final String FELINE = "There is a feline on the rug.";
    private static final String RATES = "Rates rose again.";

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path directory;

    @Test
    @NeedsKernelCompiler
    void showsHowAlikeSentencesAre() throws IOException {
        Path json = directory.resolve("embeddings.jsonl");

        int exitCode = embed("--json", json.toString(), CAT, FELINE, RATES);

        assertThat(err.toString()).isEmpty();
        assertThat(exitCode).isZero();
        List<JsonNode> lines = lines(json);
        assertThat(lines).extracting(line -> line.get("text").stringValue()).containsExactly(CAT, FELINE, RATES);
        assertThat(lines).extracting(line -> line.get("tokens").intValue()).containsExactly(9, 11, 6);
        assertThat(lines).allSatisfy(line -> {
            assertThat(line.propertyNames()).containsExactly("text", "tokens", "embedding");
            assertThat(line.get("embedding").size()).isEqualTo(384);
            assertThat(similarity(line, line)).isCloseTo(1, within(1e-5));
        });
        assertThat(similarity(lines.get(0), lines.get(1))).isGreaterThan(similarity(lines.get(0), lines.get(2)) + 0.3);
        assertThat(row(CAT))
                .containsExactly(
                        "1",
                        CAT,
                        "9",
                        "1.00",
                        twoDigits(lines.get(0), lines.get(1)),
                        twoDigits(lines.get(0), lines.get(2)));
        assertThat(row(RATES))
                .containsExactly(
                        "3",
                        RATES,
                        "6",
                        twoDigits(lines.get(2), lines.get(0)),
                        twoDigits(lines.get(2), lines.get(1)),
                        "1.00");
    }

    @Test
    @NeedsKernelCompiler
    void saysWhatMemoryDidInSeveralBatchesAndRecordsIt() {
        Path trace = directory.resolve("trace.csv");

        assertThat(embed("--batch", "3", "--trace", trace.toString())).isZero();

        assertThat(err.toString()).isEmpty();
        assertThat(row("sentences")).containsExactly("sentences", "8");
        assertThat(row("batches")).containsExactly("batches", "3");
        assertThat(row("precision")).containsExactly("precision", "f32");
        long requests = (long) number("requests of memory");
        assertThat(requests).isPositive();
        assertThat(number("hits") + number("native allocations")).isEqualTo(requests);
        assertThat(number("weights")).isBetween(80.0, 100.0);
        assertThat(number("peak live")).isGreaterThan(number("weights"));
        assertThat(number("peak footprint")).isGreaterThanOrEqualTo(number("peak live"));
        assertThat(number("peak scratch of a batch")).isPositive();
        assertThat(number("tokens of a sentence")).isBetween(5.0, 15.0);
        assertThat(number("time of a sentence")).isPositive();
        assertThat(number("GPU time of a sentence")).isPositive();

        StringWriter replayed = new StringWriter();
        assertThat(execute(new ReplayCommand(), replayed, trace.toString())).isZero();
        assertThat(err.toString()).isEmpty();
        assertThat(replayed.toString()).contains("| trace.csv | power-of-two | %,8d |".formatted(requests));
    }

    @Test
    @NeedsKernelCompiler
    void computesWithHalfOfTheMemory() throws IOException {
        Path json = directory.resolve("embeddings.jsonl");

        assertThat(embed("--precision", "f16", "--json", json.toString(), CAT, FELINE))
                .isZero();

        assertThat(row("precision")).containsExactly("precision", "f16");
        assertThat(number("weights")).isBetween(40.0, 50.0);
        List<JsonNode> lines = lines(json);
        assertThat(lines).allSatisfy(line -> assertThat(similarity(line, line)).isCloseTo(1, within(1e-3)));
        assertThat(similarity(lines.get(0), lines.get(1))).isBetween(0.4, 0.6);
    }

    @Test
    @NeedsKernelCompiler
    void readsASentenceALineAndShowsTheFirst() throws IOException {
        List<String> sentences =
                IntStream.range(0, 12).mapToObj(i -> "Sentence " + i).toList();
        Path file = Files.writeString(directory.resolve("text.txt"), String.join("\n\n \n", sentences));
        Path json = directory.resolve("embeddings.jsonl");

        assertThat(embed("--file", file.toString(), "--json", json.toString(), "Zürich\tist " + "x".repeat(50)))
                .isZero();

        assertThat(lines(json)).hasSize(13);
        assertThat(lines(json).getLast().get("text").stringValue()).isEqualTo("Sentence 11");
        assertThat(out.toString())
                .contains("| Zürich ist " + "x".repeat(31) + "... |", "the first 12 of 13 sentences")
                .contains("Sentence 10")
                .doesNotContain("Sentence 11");
    }

    @Test
    void saysHowToGetACompiler() throws Exception {
        try (MlxDevice device = MlxDevice.open()) {
            assumeTrue(device.backend() == Backend.HOST);
        }
        String noCompiler = "-D" + NativeLibrary.COMPILER_PROPERTY + "=" + directory.resolve("none");

        ForkedJvm jvm = ForkedJvm.run(
                List.of("--enable-native-access=ALL-UNNAMED", "-Dslf4j.internal.verbosity=ERROR", noCompiler),
                EmbedCommand.class,
                CAT);

        assertThat(jvm.exitStatus()).as(jvm.out() + jvm.err()).isEqualTo(1);
        assertThat(jvm.out()).isEmpty();
        assertThat(jvm.err().lines()).singleElement().asString().contains("clang", "apt install");
    }

    @Test
    void refusesFilesWithoutText() throws IOException {
        Path missing = directory.resolve("missing.txt");
        Path empty = Files.writeString(directory.resolve("empty.txt"), " \n\n");
        Path binary = Files.write(directory.resolve("binary.txt"), new byte[] {'a', (byte) 0xff, 'b'});

        assertThat(embed("--file", missing.toString())).isEqualTo(2);
        assertThat(embed("--file", empty.toString())).isEqualTo(2);
        assertThat(embed("--file", binary.toString())).isEqualTo(2);
        assertThat(embed("--file", directory.toString())).isEqualTo(2);

        assertThat(err.toString().lines())
                .containsExactly(
                        missing + ": no such file or directory",
                        empty + ": no sentences in it",
                        binary + ": is not text in UTF-8",
                        directory + ": Is a directory");
    }

    @Test
    void refusesFilesThatCannotBeWritten() {
        Path file = directory.resolve("missing").resolve("results");

        assertThat(embed("--json", file.toString(), CAT)).isEqualTo(2);
        assertThat(embed("--json", directory.toString(), CAT)).isEqualTo(2);
        assertThat(embed("--trace", file.toString(), CAT)).isEqualTo(2);

        assertThat(err.toString().lines())
                .containsExactly(
                        file + ": no such file or directory",
                        directory + ": is a directory",
                        file + ": no such file or directory");
        assertThat(out.toString()).isEmpty();
        assertThat(directory).isEmptyDirectory();
    }

    @ParameterizedTest
    @CsvSource({
        "--no-such-option, Unknown option: '--no-such-option'",
        "--batch=0, Invalid value for option '--batch': 0",
        "--batch=many, 'many' is not an int",
        "--precision=f8, Invalid value for option '--precision'"
    })
    void explainsItsUsage(String argument, String explanation) {
        assertThat(embed(argument)).isEqualTo(2);

        assertThat(err.toString()).contains(explanation, "Usage: embed").doesNotContain("\tat ");
        assertThat(out.toString()).isEmpty();
    }

    private int embed(String... arguments) {
        return execute(new EmbedCommand(), out, arguments);
    }

    private int execute(Program program, StringWriter output, String... arguments) {
        return program.commandLine()
                .setOut(new PrintWriter(output))
                .setErr(new PrintWriter(err, true))
                .execute(arguments);
    }

    private static List<JsonNode> lines(Path json) throws IOException {
        return Files.readAllLines(json).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    private static String twoDigits(JsonNode left, JsonNode right) {
        return String.format(Locale.ROOT, "%.2f", Math.round(100 * similarity(left, right)) / 100.0);
    }

    private static double similarity(JsonNode left, JsonNode right) {
        return IntStream.range(0, 384)
                .mapToDouble(i -> number(left, i) * number(right, i))
                .sum();
    }

    private static double number(JsonNode line, int index) {
        return (float) line.get("embedding").get(index).doubleValue();
    }

    /** The cells of the line of a table that begins with a text, or has it after a number. */
    private List<String> row(String text) {
        Pattern line = Pattern.compile("\\|(?: +\\d+ \\|)? " + Pattern.quote(text) + " .*\\|");
        Matcher matcher = line.matcher(out.toString());
        assertThat(matcher.find()).as("a line of %s in%n%s", text, out).isTrue();
        String cells = matcher.group();
        return Pattern.compile("\\|")
                .splitAsStream(cells.substring(1))
                .map(String::strip)
                .toList();
    }

    /** The number of a line of the second table, without its unit. */
    private double number(String what) {
        return Double.parseDouble(row(what).getLast().replace(",", "").split(" ", 2)[0]);
    }
}
