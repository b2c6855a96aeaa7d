package dev.mlxnative;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleDescriptor.Exports;
import java.lang.module.ModuleFinder;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Checks the class files of {@code src/main}: which room may use which, and which types a user can see. */
class ArchitectureTest {
    private static final String API = "dev.mlxnative";
    private static final String INTERNAL = "dev.mlxnative.internal";
    private static final int LARGEST_KNOT = 4;

    /** The API types that the internal rooms may use. They use no other type of the module but each other. */
    private static final DescribedPredicate<JavaClass> VOCABULARY = describe(
            "are vocabulary",
            type -> belongToAnyOf(
                            Backend.class,
                            BufferAllocationException.class,
                            DType.class,
                            DeviceInfo.class,
                            DeviceNotFoundException.class,
                            LeakDetection.class,
                            MlxException.class,
                            CommandBufferException.class,
                            CompilationException.class,
                            KernelArgument.class,
                            MlxFence.class,
                            NativeLibraryException.class,
                            PoolStats.class,
                            Sizing.class,
                            Zeroing.class)
                    .test(type.getBaseComponentType()));

    private static Path classes;
    private static JavaClasses production;

    @BeforeAll
    static void read() throws URISyntaxException {
        // The JDK's own class files may be newer than those that ArchUnit can read.
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        classes = Path.of(MlxDevice.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        production = new ClassFileImporter().importPath(classes);
    }

    @Test
    void onlyProductionClassesAreRead() {
        assertThat(production)
                .extracting(JavaClass::getName)
                .contains(MlxDevice.class.getName())
                .noneMatch(name -> name.contains("Test") || name.contains(".bench."));
    }

    @Test
    void aRoomUsesOnlyTheRoomsBelowIt() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("API")
                .definedBy(resideInAPackage(API).and(not(VOCABULARY)))
                .layer("pool")
                .definedBy(INTERNAL + ".pool")
                .layer("compute")
                .definedBy(INTERNAL + ".compute")
                .layer("device")
                .definedBy(INTERNAL + ".device")
                .layer("shim")
                .definedBy(INTERNAL + ".shim")
                .layer("ffi")
                .definedBy(INTERNAL + ".shim.ffi")
                .layer("observe")
                .definedBy(INTERNAL + ".observe")
                .layer("background")
                .definedBy(INTERNAL + ".background")
                .layer("vocabulary")
                .definedBy(VOCABULARY)
                .ensureAllClassesAreContainedInArchitecture()
                .whereLayer("API")
                .mayOnlyAccessLayers("pool", "compute", "device", "shim", "observe", "background", "vocabulary")
                .whereLayer("pool")
                .mayOnlyAccessLayers("device", "observe", "background", "vocabulary")
                .whereLayer("compute")
                .mayOnlyAccessLayers("device", "shim", "observe", "background", "vocabulary")
                .whereLayer("device")
                .mayOnlyAccessLayers("shim", "background", "vocabulary")
                .whereLayer("shim")
                .mayOnlyAccessLayers("ffi", "background", "vocabulary")
                .whereLayer("ffi")
                .mayNotAccessAnyLayer()
                .whereLayer("observe")
                .mayOnlyAccessLayers("background", "vocabulary")
                .whereLayer("background")
                .mayNotAccessAnyLayer()
                .whereLayer("vocabulary")
                .mayNotAccessAnyLayer()
                .check(production);
    }

    @Test
    void roomsAreFreeOfCycles() {
        slices().assignedFrom(new Rooms()).should().beFreeOfCycles().check(production);
    }

    @Test
    void nothingButTheJdkIsNeededAtRunTime() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        API + "..",
                        "java..",
                        "javax.management..",
                        "jdk.jfr..",
                        "com.sun.management..",
                        // Annotations for the compiler.
                        "org.jspecify.annotations..",
                        "com.google.errorprone.annotations..")
                .check(production);
    }

    @Test
    void onlyTheApiIsExported() {
        ModuleDescriptor module =
                ModuleFinder.of(classes).find("dev.mlxnative").orElseThrow().descriptor();
        assertThat(module.exports()).extracting(Exports::toString).containsExactly(API);
        assertThat(module.isOpen()).isFalse();
        assertThat(module.opens()).isEmpty();
    }

    @Test
    void noInternalTypeIsInASignatureOfTheApi() {
        List<String> leaks = new ArrayList<>();
        for (JavaClass type : visibleTypes()) {
            internalsIn(declarationOf(type)).forEach(internal -> leaks.add(type.getName() + " shows " + internal));
            for (JavaMember member : type.getMembers()) {
                if (isVisible(member.getModifiers()) && !member.getModifiers().contains(JavaModifier.SYNTHETIC)) {
                    internalsIn(signatureOf(member))
                            .forEach(internal -> leaks.add(member.getFullName() + " shows " + internal));
                }
            }
        }
        assertThat(leaks).isEmpty();
    }

    @Test
    void typesThatAllDependOnEachOtherAreFew() {
        List<String> tooLarge = knots(usesByType()).stream()
                .filter(knot -> knot.size() > LARGEST_KNOT)
                .map(ArchitectureTest::linesOf)
                .toList();
        assertThat(tooLarge)
                .as("more than %s types that all depend on each other", LARGEST_KNOT)
                .isEmpty();
    }

    /** The exported types, and their supertypes in the same package, whose members they inherit. */
    private static Set<JavaClass> visibleTypes() {
        Set<JavaClass> types = new HashSet<>();
        for (JavaClass type : production.that(resideInAPackage(API))) {
            if (isVisibleWithItsEnclosingTypes(type)) {
                types.add(type);
                types.addAll(type.getAllRawSuperclasses());
                types.addAll(type.getAllRawInterfaces());
            }
        }
        types.removeIf(not(resideInAPackage(API)));
        return types;
    }

    private static boolean isVisibleWithItsEnclosingTypes(JavaClass type) {
        return isVisible(type.getModifiers())
                && type.getEnclosingClass()
                        .map(ArchitectureTest::isVisibleWithItsEnclosingTypes)
                        .orElse(true);
    }

    private static boolean isVisible(Set<JavaModifier> modifiers) {
        return modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED);
    }

    private static Stream<JavaType> declarationOf(JavaClass type) {
        return Stream.of(type.getTypeParameters(), type.getSuperclass().stream().toList(), type.getInterfaces())
                .flatMap(Collection::stream);
    }

    /** Those of a record's components are the signatures of its accessors. */
    private static Stream<JavaType> signatureOf(JavaMember member) {
        return switch (member) {
            case JavaField field -> Stream.of(field.getType());
            case JavaCodeUnit unit ->
                Stream.of(
                                List.of(unit.getReturnType()),
                                unit.getParameterTypes(),
                                unit.getTypeParameters(),
                                unit.getExceptionTypes())
                        .flatMap(Collection::stream);
            default -> throw new AssertionError(member);
        };
    }

    private static Stream<String> internalsIn(Stream<JavaType> types) {
        return types.flatMap(type -> type.getAllInvolvedRawTypes().stream())
                .map(JavaClass::getBaseComponentType)
                .filter(resideInAPackage(INTERNAL + ".."))
                .map(JavaClass::getName);
    }

    /** Every top-level type outside ffi with those that it, or a type nested in it, uses. */
    private static Map<String, Set<String>> usesByType() {
        Map<String, Set<String>> uses = new TreeMap<>();
        for (JavaClass type : production.that(not(resideInAPackage("..ffi")))) {
            Set<String> targets = uses.computeIfAbsent(topLevel(type), name -> new TreeSet<>());
            for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
                targets.add(topLevel(dependency.getTargetClass().getBaseComponentType()));
            }
        }
        uses.forEach((type, targets) -> {
            targets.retainAll(uses.keySet());
            targets.remove(type);
        });
        return uses;
    }

    private static String topLevel(JavaClass type) {
        return type.getEnclosingClass().map(ArchitectureTest::topLevel).orElse(type.getName());
    }

    /** The strongly connected components of more than one type, each with the uses inside of it. */
    private static List<Map<String, Set<String>>> knots(Map<String, Set<String>> uses) {
        Map<String, Set<String>> reached = new TreeMap<>();
        uses.keySet().forEach(type -> follow(uses, type, reached.computeIfAbsent(type, name -> new TreeSet<>())));
        List<Map<String, Set<String>>> knots = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (String type : uses.keySet()) {
            Set<String> members = new TreeSet<>(reached.get(type));
            members.removeIf(other -> !reached.get(other).contains(type));
            if (members.size() > 1 && seen.addAll(members)) {
                Map<String, Set<String>> knot = new TreeMap<>();
                for (String member : members) {
                    Set<String> inside = new TreeSet<>(uses.get(member));
                    inside.retainAll(members);
                    knot.put(member, inside);
                }
                knots.add(knot);
            }
        }
        return knots;
    }

    private static void follow(Map<String, Set<String>> uses, String type, Set<String> reached) {
        for (String next : uses.get(type)) {
            if (reached.add(next)) {
                follow(uses, next, reached);
            }
        }
    }

    private static String linesOf(Map<String, Set<String>> knot) {
        return knot.entrySet().stream()
                .map(entry -> "%n%s uses %s".formatted(entry.getKey(), String.join(", ", entry.getValue())))
                .collect(joining("", knot.size() + " types:", ""));
    }

    /** A package is a room; the vocabulary is one more, since the rooms below the API use it. */
    private static final class Rooms implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(VOCABULARY.test(type) ? "vocabulary" : type.getPackageName());
        }

        @Override
        public String getDescription() {
            return "rooms";
        }
    }
}
