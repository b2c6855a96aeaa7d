package dev.mlxnative.bench.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;

/**
 * A text file that appears under its name only when it is complete.
 *
 * <p>{@link #open} creates a draft beside the file, so a directory that is not writable fails before a run and not
 * after it. A complete draft takes the name of the file in one atomic step.
 */
public final class ResultFile implements AutoCloseable {

    /** Writes a record's components in their order. */
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Path file;
    private final Path target;
    private final Path draft;

    private ResultFile(Path file, Path target, Path draft) {
        this.file = file;
        this.target = target;
        this.draft = draft;
    }

    /**
     * Creates the draft.
     *
     * @throws CommandFailure if the file cannot be written
     */
    public static ResultFile open(Path file) throws CommandFailure {
        try {
            return create(file);
        } catch (IOException e) {
            throw new CommandFailure(file, e);
        }
    }

    private static ResultFile create(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IOException("is a directory");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            return new ResultFile(file, file, file); // a pipe or a terminal: writes go to it directly
        }
        Path target = Files.exists(file) ? file.toRealPath() : file.toAbsolutePath();
        Path draft = target.resolveSibling(
                target.getFileName() + "." + ProcessHandle.current().pid() + ".tmp");
        return new ResultFile(file, target, Files.write(draft, new byte[0]));
    }

    /** Writes each record as a line of JSON. */
    public void write(List<? extends Record> results) throws CommandFailure {
        complete(() -> Files.write(draft, lines(results)));
    }

    private static Iterable<String> lines(List<? extends Record> results) {
        return () -> results.stream().map(JSON::writeValueAsString).iterator();
    }

    public void writeText(CharSequence text) throws CommandFailure {
        complete(() -> Files.writeString(draft, text));
    }

    private interface Writing {
        void run() throws IOException;
    }

    private void complete(Writing writing) throws CommandFailure {
        try {
            writing.run();
            putInPlace();
        } catch (IOException e) {
            throw new CommandFailure(file, e);
        }
    }

    private void putInPlace() throws IOException {
        if (draft != target) {
            Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    /** Removes the draft if it was not completed. */
    @Override
    public void close() throws CommandFailure {
        if (draft == target) {
            return;
        }
        try {
            Files.deleteIfExists(draft);
        } catch (IOException e) {
            throw new CommandFailure(file, e);
        }
    }
}
