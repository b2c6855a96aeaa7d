package dev.mlxnative.internal.shim;

import dev.mlxnative.NativeLibraryException;
import dev.mlxnative.internal.shim.LibraryFile.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.UUID;

/**
 * A copy of a library in a folder of its own, inside the temporary folder. Only this user can read, write and search
 * the folder. The copy is deleted on close: a library that is loaded is mapped, and needs no file.
 */
final class PrivateCopy implements AutoCloseable {
    private static final String FOLDER_PROPERTY = "java.io.tmpdir";
    private static final String OWNER_ONLY = "rwx------";

    private final Path folder;
    private final Path file;

    private PrivateCopy(Path folder, String name) {
        this.folder = folder;
        this.file = folder.resolve(name);
    }

    /**
     * Writes a copy, and reads it back.
     *
     * @param library the subject of an exception's message
     * @param alternative the end of an exception's message: what to do instead of naming another folder
     * @throws NativeLibraryException if the temporary folder cannot have the copy
     */
    static PrivateCopy of(String library, String name, byte[] content, String alternative) {
        // An empty property means the current folder, as it does to the JDK. Files.createTempDirectory would need the
        // property to have been a path when the JVM started.
        Path parent = Platform.pathProperty(FOLDER_PROPERTY, System.getProperty(FOLDER_PROPERTY, ""));
        PrivateCopy copy = new PrivateCopy(parent.resolve("mlx-native-" + UUID.randomUUID()), name);
        boolean complete = false;
        try {
            copy.write(content);
            complete = true;
            return copy;
        } catch (IOException e) {
            throw new NativeLibraryException(
                    library + " could not be copied to the temporary folder " + parent + ": " + e
                            + ". Name a folder that exists, is writable and has room for " + content.length
                            + " bytes with -D" + FOLDER_PROPERTY + "=<folder>. " + alternative,
                    e);
        } finally {
            if (!complete) {
                copy.close();
            }
        }
    }

    private void write(byte[] content) throws IOException {
        var permissions = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(OWNER_ONLY));
        Files.createDirectory(folder, permissions);
        // The system refuses to execute even its owner's file only where the folder is mounted 'noexec'.
        Files.createFile(file, permissions);
        Files.write(file, content);
        if (!Arrays.equals(Files.readAllBytes(file), content)) {
            throw new IOException(file + " does not have the " + content.length + " bytes that were written to it");
        }
    }

    /**
     * The origin of a copy. A temporary folder may be mounted {@code noexec}, and a cleaner may delete what is in it.
     */
    static Origin origin(String description, String cure) {
        String otherFolder = "name another with -D" + FOLDER_PROPERTY + "=<folder>";
        return new Origin(
                description,
                "It was deleted before it was loaded: open the device again, or, if its folder is being cleaned, "
                        + otherFolder,
                "Its folder is mounted 'noexec': " + otherFolder,
                cure);
    }

    Path file() {
        return file;
    }

    @Override
    public void close() {
        deleteQuietly(file);
        deleteQuietly(folder);
    }

    private static void deleteQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            path.toFile().deleteOnExit();
        }
    }
}
