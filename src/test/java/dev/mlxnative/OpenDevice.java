package dev.mlxnative;

/** The main class of a forked JVM: opens the default device, and prints its backend or the exception on a line. */
public final class OpenDevice {
    private OpenDevice() {}

    /** Opens a device for each argument {@code property=value}, with that system property; one without arguments. */
    public static void main(String[] arguments) {
        if (arguments.length == 0) {
            System.out.println(open());
        }
        for (String argument : arguments) {
            String[] property = argument.split("=", 2);
            String before = System.getProperty(property[0]);
            System.setProperty(property[0], property[1]);
            System.out.println(open());
            if (before == null) {
                System.clearProperty(property[0]);
            } else {
                System.setProperty(property[0], before);
            }
        }
    }

    /** The backend of the device with the capacity of a buffer, or the exception. */
    public static String open() {
        try (MlxDevice device = MlxDevice.open();
                MlxBuffer buffer = device.allocBuffer(DType.U8, 1)) {
            return device.backend() + " " + buffer.capacity();
        } catch (MlxException e) {
            return e.getClass().getSimpleName() + ": " + e.getMessage();
        }
    }
}
