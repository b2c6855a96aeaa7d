package dev.mlxnative.examples.embed;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.Sizing;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.cli.ResultFile;
import dev.mlxnative.examples.minilm.Embedding;
import dev.mlxnative.examples.minilm.MiniLm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code embed}: its options, the files that it writes, and its exit code. */
@Command(
        name = "embed",
        description = "Makes sentences into embeddings with the model all-MiniLM-L6-v2, and shows how alike they are.",
        sortOptions = false,
        exitCodeListHeading = "Exit status:%n",
        exitCodeList = {
            "0:all is well",
            "1:the device failed, or there is no compiler of kernels",
            "2:wrong usage, or a file that cannot be read or written"
        })
public final class EmbedCommand extends Program {

    private static final List<String> OWN_TEXT = List.of(
            "A cat sits on the mat.",
            "There is a feline on the rug.",
            "The central bank raised interest rates.",
            "Borrowing money has become more expensive.",
            "The spacecraft landed on the moon.",
            "Astronauts have reached the lunar surface.",
            "How long does bread have to bake?",
            "Leave the loaf in the oven for forty minutes.");

    @Parameters(
            paramLabel = "SENTENCE",
            arity = "0..*",
            description = "Sentences; without any, and without a file, a small text of the command's own.")
    private List<String> arguments = new ArrayList<>();

    @Option(names = "--file", paramLabel = "FILE", description = "Read more sentences, one a line.")
    private @Nullable Path file;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the embeddings to this file, one JSON object a line.")
    private @Nullable Path json;

    @Option(
            names = "--precision",
            paramLabel = "f32|f16",
            description = "The numbers that the model computes with; f32 unless given.")
    private MiniLm.Precision precision = MiniLm.Precision.F32;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "The sentences that the GPU gets at once; ${DEFAULT-VALUE} unless given.")
    private int batchSize = 16;

    @Option(
            names = "--trace",
            paramLabel = "FILE",
            description = "Record the requests and releases of the pool in this file, for a replay.")
    private @Nullable Path trace;

    public static void main(String[] args) {
        System.exit(new EmbedCommand().commandLine().execute(args));
    }

    @Override
    public Integer call() throws CommandFailure, InterruptedException {
        require(batchSize >= 1, "--batch", batchSize);
        List<String> sentences = sentences();
        try (ResultFile results = json == null ? null : ResultFile.open(json);
                MlxDevice device = MlxDevice.open();
                MlxBufferPool pool = pool(device)) {
            EmbeddingRun run = embed(sentences, device, pool);
            if (results != null) {
                results.write(
                        run.embeddings().stream().map(EmbedCommand::record).toList());
            }
            out().println(SimilarityTable.of(run.embeddings()));
            out().println(FigureTable.of(run.figures(Cells.device(device), precision)));
            out().flush();
            return CommandLine.ExitCode.OK;
        }
    }

    private List<String> sentences() throws CommandFailure {
        if (file == null) {
            return arguments.isEmpty() ? OWN_TEXT : arguments;
        }
        List<String> sentences = new ArrayList<>(arguments);
        sentences.addAll(lines(file));
        return sentences;
    }

    private static List<String> lines(Path file) throws CommandFailure {
        try {
            List<String> lines = Files.readAllLines(file).stream()
                    .filter(Predicate.not(String::isBlank))
                    .toList();
            if (lines.isEmpty()) {
                throw new CommandFailure(file + ": no sentences in it", CommandLine.ExitCode.USAGE, null);
            }
            return lines;
        } catch (IOException e) {
            throw new CommandFailure(file, e);
        }
    }

    private MlxBufferPool pool(MlxDevice device) throws CommandFailure {
        MlxBufferPool.Builder builder = MlxBufferPool.builder(device).sizing(Sizing.COMPACT);
        if (trace == null) {
            return builder.build();
        }
        try {
            return builder.traceTo(trace).build();
        } catch (UncheckedIOException e) {
            throw new CommandFailure(trace, e.getCause());
        }
    }

    private EmbeddingRun embed(List<String> sentences, MlxDevice device, MlxBufferPool pool)
            throws InterruptedException {
        long start = System.nanoTime();
        try (MiniLm model = MiniLm.load(device, pool, precision);
                Progress progress = Progress.of("embed", sentences.size())) {
            EmbeddingRun run = new EmbeddingRun(model, pool, System.nanoTime() - start);
            run.embed(sentences, batchSize, progress);
            return run;
        }
    }

    /** A line of the JSON file. */
    private record Line(String text, int tokens, float[] embedding) {}

    private static Line record(Embedding embedding) {
        return new Line(embedding.text(), embedding.tokens(), embedding.values());
    }
}
