package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultFileTest {

    private static final ReplayResult RESULT = new ReplayResult(
            "a.csv.gz",
            "host: h",
            "power-of-two",
            200,
            1,
            199,
            1024,
            1280,
            2048,
            20,
            1_000,
            50,
            350.5,
            20.25,
            0,
            0,
            new Gaps(1, 2, 3, 4));

    @TempDir
    private Path directory;

    @Test
    void writesOneObjectALineWithTheFieldsInOrder() throws Exception {
        Path json = directory.resolve("results.jsonl");

        try (var file = ResultFile.open(json)) {
            file.write(List.of(RESULT, RESULT));
        }

        String line = "{\"trace\":\"a.csv.gz\",\"device\":\"host: h\",\"policy\":\"power-of-two\",\"requests\":200,"
                + "\"nativeAllocations\":1,\"hits\":199,\"peakLiveBytes\":1024,\"offlineBytes\":1280,"
                + "\"peakFootprintBytes\":2048,\"nativeMicros\":20,\"durationMicros\":1000,"
                + "\"directRequests\":50,\"directNanosPerRequest\":350.5,\"pooledNanosPerRequest\":20.25,"
                + "\"overlaps\":0,\"leaks\":0,"
                + "\"gaps\":{\"unknownFrees\":1,\"missingFrees\":2,\"tornEnds\":3,\"appendedLogs\":4}}\n";
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
