package dev.mlxnative.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultFileTest {

    private record Counts(long found, long missing) {}

    private record Result(String trace, long requests, double nanos, Counts counts) {}

    private static final Result RESULT = new Result("a.csv.gz", 200, 20.25, new Counts(1, 2));

    @TempDir
    private Path directory;

    @Test
    void writesOneObjectALineWithTheFieldsInOrder() throws Exception {
        Path json = directory.resolve("results.jsonl");

        try (var file = ResultFile.open(json)) {
            file.write(List.of(RESULT, RESULT));
        }

        String line =
                "{\"trace\":\"a.csv.gz\",\"requests\":200,\"nanos\":20.25,\"counts\":{\"found\":1,\"missing\":2}}\n";
        assertThat(json).hasContent(line + line);
        assertThat(directory).isDirectoryNotContaining(file -> !file.equals(json));
    }

    @Test
    void replacesAnEarlierFile() throws Exception {
        Path json = Files.writeString(directory.resolve("results.jsonl"), "old\n".repeat(1_000));

        try (var file = ResultFile.open(json)) {
            file.write(List.of(RESULT));
        }

        assertThat(json).content().startsWith("{\"trace\"").hasLineCount(1);
    }

    @Test
    void removesTheDraftAndKeepsAnEarlierFileIfItIsNotCompleted() throws Exception {
        Path json = Files.writeString(directory.resolve("results.jsonl"), "old\n");

        ResultFile.open(json).close();

        assertThat(json).hasContent("old\n");
        assertThat(directory).isDirectoryNotContaining(file -> !file.equals(json));
    }

    @Test
    void writesThroughALinkAndKeepsIt() throws Exception {
        Path json = Files.writeString(directory.resolve("results.jsonl"), "old\n");
        Path link = Files.createSymbolicLink(directory.resolve("latest.jsonl"), json);

        try (var file = ResultFile.open(link)) {
            file.write(List.of(RESULT));
        }

        assertThat(link).isSymbolicLink();
        assertThat(json).content().startsWith("{\"trace\"");
    }

    @Test
    void failsOnOpenIfTheDirectoryIsMissing() {
        Path json = directory.resolve("missing").resolve("results.jsonl");

        assertThatThrownBy(() -> ResultFile.open(json))
                .isInstanceOf(CommandFailure.class)
                .hasMessage(json + ": no such file or directory");
    }
}
