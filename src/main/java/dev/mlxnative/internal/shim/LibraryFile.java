package dev.mlxnative.internal.shim;

import dev.mlxnative.Backend;
import dev.mlxnative.NativeLibraryException;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A library file that may be loaded. It is checked before: a file that cannot be loaded, or that lacks a function of
 * the bindings, never stays loaded.
 */
final class LibraryFile {
    private static final String MANIFEST_CURE =
            " (or, for a jar that java -jar starts, put 'Enable-Native-Access: ALL-UNNAMED' into its manifest)";

    private static final String SHARED_CURE = "If need be, let one class loader load this jar for all";
    private static final String ABI_CURE = "Use the library that belongs to the jar";

    private final Path file;
    private final Origin origin;

    LibraryFile(Path file, Origin origin) {
        this.file = file;
        this.origin = origin;
    }

    /**
     * Where a library file comes from, and what to do if it does not load.
     *
     * @param description follows the name of the file in a message
     * @param missingCure for a file that does not exist
     * @param noexecCure for a file that may not be executed
     * @param cure for other files
     */
    record Origin(String description, String missingCure, String noexecCure, String cure) {}

    /**
     * Loads the library for the class loader of the bindings.
     *
     * @return its backend, or null if a device is needed and the library finds none, and then it is not loaded
     * @throws NativeLibraryException if it cannot be loaded
     */
    @Nullable
    Backend load(boolean needsDevice) {
        requireLoadableFile();
        try (OpenLibrary library = OpenLibrary.open(file)) {
            requireAbi(library);
            if (needsDevice && !hasDevice(library)) {
                return null;
            }
            loadForBindings();
            return intResult(library, "mlxshim_backend_kind") == mlxshim_h.MLXSHIM_BACKEND_METAL()
                    ? Backend.METAL
                    : Backend.HOST;
        } catch (UnsatisfiedLinkError e) {
            throw refused(e);
        } catch (IllegalCallerException e) {
            throw new NativeLibraryException(
                    "native access is denied to " + accessName() + ": start the JVM with --enable-native-access="
                            + accessName() + (isNamed() ? "" : MANIFEST_CURE),
                    e);
        }
    }

    private void requireLoadableFile() {
        if (!Files.isRegularFile(file)) {
            throw failure(Files.exists(file) ? "is no regular file" : "does not exist", cure());
        }
        try {
            ElfFile elf = ElfFile.read(file);
            Platform platform = Platform.current();
            if (elf != null && !elf.runsOn(platform.arch())) {
                throw failure("is built for " + elf.machine() + " and not for " + platform, cure());
            }
            long bytes = Files.size(file);
            if (elf != null && bytes < elf.endOfSegments()) {
                throw failure("is truncated: it has " + bytes + " bytes of at least " + elf.endOfSegments(), cure());
            }
        } catch (IOException e) {
            throw failure("cannot be read: " + e, cure(), e);
        }
    }

    private void requireAbi(OpenLibrary library) {
        if (library.find("mlxshim_abi_version").isEmpty()) {
            throw failure("is no mlxshim library: it has no function mlxshim_abi_version", ABI_CURE);
        }
        int version = intResult(library, "mlxshim_abi_version");
        if (version != mlxshim_h.MLXSHIM_ABI_VERSION()) {
            throw failure(
                    "has ABI version " + version + ", but this jar needs " + mlxshim_h.MLXSHIM_ABI_VERSION(), ABI_CURE);
        }
        List<String> missing = boundFunctions().stream()
                .map(Class::getSimpleName)
                .filter(name -> library.find(name).isEmpty())
                .sorted()
                .toList();
        if (!missing.isEmpty()) {
            throw failure(
                    "lacks " + missing.size() + " function(s) that this jar needs, " + String.join(", ", missing),
                    ABI_CURE);
        }
    }

    /** The classes of the bindings that each look up the function of their name, when they are initialised. */
    static List<Class<?>> boundFunctions() {
        return Arrays.asList(mlxshim_h.class.getDeclaredClasses());
    }

    /** Calls a function of the library without the bindings, which need it to be loaded. */
    private static int intResult(OpenLibrary library, String function) {
        try {
            return (int) Linker.nativeLinker()
                    .downcallHandle(library.find(function).orElseThrow(), FunctionDescriptor.of(ValueLayout.JAVA_INT))
                    .invokeExact();
        } catch (Throwable e) {
            throw OpenLibrary.unexpected(e);
        }
    }

    private static boolean hasDevice(OpenLibrary library) {
        MemorySegment open = library.find("mlxshim_device_open").orElseThrow();
        MemorySegment release = library.find("mlxshim_device_release").orElseThrow();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment device = arena.allocate(ValueLayout.ADDRESS);
            int status = (int) Linker.nativeLinker()
                    .downcallHandle(
                            open,
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.JAVA_LONG))
                    .invokeExact(device, MemorySegment.NULL, 0L);
            if (status == mlxshim_h.MLXSHIM_OK()) {
                Linker.nativeLinker()
                        .downcallHandle(release, FunctionDescriptor.ofVoid(ValueLayout.ADDRESS))
                        .invokeExact(device.get(ValueLayout.ADDRESS, 0));
            }
            return status == mlxshim_h.MLXSHIM_OK();
        } catch (Throwable e) {
            throw OpenLibrary.unexpected(e);
        }
    }

    private void loadForBindings() {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            if (!Files.exists(file)) {
                throw e;
            }
            // The system's loader has it open. What the JVM refuses is a file that another class loader has loaded.
            loadCopy();
        }
    }

    /** Loads a copy, which is another library to the system: with code and data of its own. */
    private void loadCopy() {
        byte[] content;
        try {
            content = Files.readAllBytes(file);
        } catch (IOException e) {
            throw failure("cannot be read: " + e, cure(), e);
        }
        String library = "the library " + file + ", which another class loader of this process has loaded,";
        try (PrivateCopy copy = PrivateCopy.of(library, file.getFileName().toString(), content, SHARED_CURE)) {
            LibraryFile copied = new LibraryFile(
                    copy.file(),
                    PrivateCopy.origin("copied from " + file + ", which another class loader has loaded", SHARED_CURE));
            try {
                System.load(copy.file().toString());
            } catch (UnsatisfiedLinkError e) {
                throw copied.refused(e);
            }
        }
    }

    private NativeLibraryException refused(UnsatisfiedLinkError e) {
        boolean noexec = Files.exists(file) && !Files.isExecutable(file);
        return failure(
                "cannot be loaded on " + Platform.current() + ": " + e.getMessage(),
                noexec ? origin.noexecCure() : cure(),
                e);
    }

    private String cure() {
        return Files.exists(file) ? origin.cure() : origin.missingCure();
    }

    private NativeLibraryException failure(String fault, String cure) {
        return new NativeLibraryException(message(fault, cure));
    }

    private NativeLibraryException failure(String fault, String cure, Throwable cause) {
        return new NativeLibraryException(message(fault, cure), cause);
    }

    private String message(String fault, String cure) {
        return "the library " + file + ", " + origin.description() + ", " + fault + ". " + cure;
    }

    /** The value that the flag {@code --enable-native-access} needs for this class. */
    private static String accessName() {
        return isNamed() ? LibraryFile.class.getModule().getName() : "ALL-UNNAMED";
    }

    private static boolean isNamed() {
        return LibraryFile.class.getModule().isNamed();
    }
}
