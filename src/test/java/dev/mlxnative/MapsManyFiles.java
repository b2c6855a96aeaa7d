package dev.mlxnative;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;

/**
 * The main class of a forked JVM: maps a file anew until the library refuses, prints the reason, and then needs memory
 * mappings for other things.
 */
final class MapsManyFiles {
    private static final int MORE_THAN_ANY_LIMIT = 10_000_000;

    private MapsManyFiles() {}

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        MlxDevice device = MlxDevice.open();
        List<MlxBuffer> buffers = new ArrayList<>();
        try {
            for (int i = 0; i < MORE_THAN_ANY_LIMIT; i++) {
                // The file is another one for the library each time, so that no mapping is shared.
                Files.setLastModifiedTime(file, FileTime.fromMillis(i * 1000L));
                buffers.add(device.map(file, 0, DType.U8, 1));
            }
        } catch (IOException refused) {
            System.out.println(refused.getMessage());
        }
        for (int i = 0; i < 100; i++) {
            buffers.add(device.allocBuffer(DType.U8, 1 << 20));
            Thread thread = Thread.ofPlatform().start(() -> {});
            thread.join();
        }
        System.gc();
        System.out.println("goes on");
    }
}
