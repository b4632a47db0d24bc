/*
 * Records everything a program does to the files below a folder, in order, so that replay.py can make
 * the disk as it would look after a power cut at any instant.
 *
 *     gcc -shared -fPIC -O1 -Wall -Wextra -o plog.so plog.c -ldl -lpthread
 *     PLOG_DIR=folder PLOG_OUT=log LD_PRELOAD=./plog.so program ...
 *
 * The log is a row of records:
 *
 *     | kind (1) | file (4) | number (8) | length (4) | data (length) |      little-endian
 *
 *     O  a file was opened: its number from now on, the flags, the path below the folder
 *     W  data was written at an offset
 *     T  a file was cut or grown to a length
 *     X  a file was grown to at least a length
 *     S  a file was synced: fsync or fdatasync
 *     R  sync_file_range, which is no sync
 *     D  a folder was synced
 *     M  a folder was made
 *     N  something was renamed: both paths, with a zero byte between
 *     U  a file or folder was removed
 *     A  written to standard output: what the program acknowledges
 *
 * One lock is held around every call and its record, so that the order of the records is the order of
 * what happened. A call that changes files in a way that has no record ends the program.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
#define LOG_FD 60000
#define FOLDER (-1)
#define PATH_SIZE (2 * PATH_MAX)

/* The C library's own function of this name. */
#define REAL(name)                                                        \
    ({                                                                    \
        static __typeof__(&name) real_function;                           \
        if (!real_function)                                               \
            real_function = (__typeof__(&name))dlsym(RTLD_NEXT, #name);   \
        real_function;                                                    \
    })

/* What every recorded function does around its call. `errno` is left as the call set it. */
#define BEGIN pthread_mutex_lock(&lock)
#define END(result)                    \
    do {                               \
        int error = errno;             \
        pthread_mutex_unlock(&lock);   \
        errno = error;                 \
        return (result);               \
    } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char folder[PATH_MAX];
static size_t folder_len;
/* By descriptor: the number of a recorded file, FOLDER, or 0. */
static int recorded[FDS];
static int files;

static void give_up(const char *why)
{
    dprintf(2, "plog: %s\n", why);
    abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("PLOG_DIR");
    const char *out = getenv("PLOG_OUT");
    if (!dir || !out)
        return;
    if (!realpath(dir, folder))
        give_up("PLOG_DIR is no folder");
    folder_len = strlen(folder);
    int fd = syscall(SYS_openat, AT_FDCWD, out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (fd < 0)
        give_up("PLOG_OUT cannot be written");
    /* Out of the way of what the program opens, but below the usual limit where that is lower. */
    log_fd = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD);
    if (log_fd < 0)
        log_fd = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    if (log_fd < 0)
        give_up("no descriptor for the log");
    syscall(SYS_close, fd);
}

static void record(char kind, int file, uint64_t number, const void *data, size_t len)
{
    struct __attribute__((packed)) {
        char kind;
        int32_t file;
        uint64_t number;
        uint32_t len;
    } head = {kind, file, number, (uint32_t)len};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, len}};
    if (log_fd < 0)
        return;
    if (syscall(SYS_writev, log_fd, parts, len ? 2 : 1) != (long)(sizeof head + len))
        give_up("the log is full");
}

/* The number of the file behind a descriptor; 0 where it is not recorded. */
static int file_of(int fd)
{
    return fd >= 0 && fd < FDS && recorded[fd] > 0 ? recorded[fd] : 0;
}

/* Where the next write without an offset goes. */
static uint64_t position(int fd)
{
    struct stat found;
    if (fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &found) == 0)
        return found.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

/* Whether a path is below the folder; if so, `below` is what follows the folder. */
static int is_below(int dir, const char *path, char *below)
{
    char full[PATH_SIZE] = "";
    char parent[PATH_MAX];
    if (log_fd < 0)
        return 0;
    if (path[0] != '/') {
        char link[64];
        ssize_t len;
        if (dir == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        len = readlink(link, full, PATH_MAX);
        if (len < 0)
            return 0;
        full[len] = '/';
        full[len + 1] = 0;
    }
    if (strlen(full) + strlen(path) >= PATH_MAX)
        give_up("a path is too long");
    strcat(full, path);
    while (full[0] && full[1] && full[strlen(full) - 1] == '/')
        full[strlen(full) - 1] = 0;
    char *name = strrchr(full, '/');
    *name = 0;
    /* The name itself may not exist yet. */
    if (!realpath(name == full ? "/" : full, parent))
        return 0;
    snprintf(below, PATH_SIZE, "%s/%s", parent, name + 1);
    if (strncmp(below, folder, folder_len) != 0 || below[folder_len] != '/')
        return 0;
    memmove(below, below + folder_len, strlen(below + folder_len) + 1);
    return 1;
}

static void on_opened(int fd, int dir, const char *path, int flags)
{
    char below[PATH_SIZE];
    struct stat found;
    if (fd < 0)
        return;
    if (fd >= FDS)
        give_up("a descriptor is too great");
    recorded[fd] = 0;
    if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode)) {
        recorded[fd] = FOLDER;
    } else if (is_below(dir, path, below)) {
        if (flags & O_TMPFILE & ~O_DIRECTORY)
            give_up("a file without a name");
        recorded[fd] = ++files;
        record('O', files, (uint32_t)flags, below, strlen(below));
    }
}

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...)            \
    {                                                     \
        mode_t mode = 0;                                  \
        if (flags & (O_CREAT | O_TMPFILE)) {              \
            va_list rest;                                 \
            va_start(rest, flags);                        \
            mode = va_arg(rest, int);                     \
            va_end(rest);                                 \
        }                                                 \
        BEGIN;                                            \
        int fd = REAL(name)(path, flags, mode);           \
        int opened_with = errno;                          \
        on_opened(fd, AT_FDCWD, path, flags);             \
        errno = opened_with;                              \
        END(fd);                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                      \
    int name(int dir, const char *path, int flags, ...)   \
    {                                                     \
        mode_t mode = 0;                                  \
        if (flags & (O_CREAT | O_TMPFILE)) {              \
            va_list rest;                                 \
            va_start(rest, flags);                        \
            mode = va_arg(rest, int);                     \
            va_end(rest);                                 \
        }                                                 \
        BEGIN;                                            \
        int fd = REAL(name)(dir, path, flags, mode);      \
        int opened_with = errno;                          \
        on_opened(fd, dir, path, flags);                  \
        errno = opened_with;                              \
        END(fd);                                          \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    BEGIN;
    if (fd >= 0 && fd < FDS)
        recorded[fd] = 0;
    int result = REAL(close)(fd);
    END(result);
}

static void on_copied(int fd, int copy)
{
    if (copy >= FDS)
        give_up("a descriptor is too great");
    if (copy >= 0 && fd >= 0 && fd < FDS)
        recorded[copy] = recorded[fd];
}

int dup(int fd)
{
    BEGIN;
    int copy = REAL(dup)(fd);
    on_copied(fd, copy);
    END(copy);
}

int dup2(int fd, int to)
{
    BEGIN;
    int copy = REAL(dup2)(fd, to);
    on_copied(fd, copy);
    END(copy);
}

int dup3(int fd, int to, int flags)
{
    BEGIN;
    int copy = REAL(dup3)(fd, to, flags);
    on_copied(fd, copy);
    END(copy);
}

/* Every command of fcntl takes at most one argument, of the size of a pointer. */
#define FCNTL(name)                                                       \
    int name(int fd, int command, ...)                                    \
    {                                                                     \
        va_list rest;                                                     \
        va_start(rest, command);                                          \
        void *argument = va_arg(rest, void *);                            \
        va_end(rest);                                                     \
        if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)             \
            return REAL(name)(fd, command, argument);                     \
        BEGIN;                                                            \
        int copy = REAL(name)(fd, command, argument);                     \
        on_copied(fd, copy);                                              \
        END(copy);                                                        \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

static void on_written(int fd, uint64_t at, const void *data, ssize_t len)
{
    if (len > 0 && file_of(fd))
        record('W', file_of(fd), at, data, len);
}

static void on_written_parts(int fd, uint64_t at, const struct iovec *parts, ssize_t len)
{
    for (; len > 0; parts++) {
        ssize_t part = (ssize_t)parts->iov_len < len ? (ssize_t)parts->iov_len : len;
        on_written(fd, at, parts->iov_base, part);
        at += part;
        len -= part;
    }
}

ssize_t write(int fd, const void *data, size_t len)
{
    BEGIN;
    uint64_t at = file_of(fd) ? position(fd) : 0;
    /* Before anyone can see it, and after everything that it tells of. */
    if (fd == STDOUT_FILENO)
        record('A', 0, 0, data, len);
    ssize_t written = REAL(write)(fd, data, len);
    on_written(fd, at, data, written);
    END(written);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    BEGIN;
    uint64_t at = file_of(fd) ? position(fd) : 0;
    ssize_t written = REAL(writev)(fd, parts, count);
    if (file_of(fd))
        on_written_parts(fd, at, parts, written);
    END(written);
}

#define PWRITE(name, offset)                                              \
    ssize_t name(int fd, const void *data, size_t len, offset at)         \
    {                                                                     \
        BEGIN;                                                            \
        ssize_t written = REAL(name)(fd, data, len, at);                  \
        on_written(fd, at, data, written);                                \
        END(written);                                                     \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset)                                             \
    ssize_t name(int fd, const struct iovec *parts, int count, offset at) \
    {                                                                     \
        BEGIN;                                                            \
        ssize_t written = REAL(name)(fd, parts, count, at);               \
        if (file_of(fd))                                                  \
            on_written_parts(fd, at, parts, written);                     \
        END(written);                                                     \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

/* What was copied from one file to another is read once more, to be recorded. */
static void on_file_copied(int from, uint64_t from_at, int to, uint64_t to_at, ssize_t len)
{
    if (len <= 0 || !file_of(to))
        return;
    char *data = malloc(len);
    if (!data || pread(from, data, len, from_at) != len)
        give_up("what was copied cannot be read");
    record('W', file_of(to), to_at, data, len);
    free(data);
}

ssize_t copy_file_range(int from, off64_t *from_off, int to, off64_t *to_off, size_t len,
                        unsigned flags)
{
    BEGIN;
    uint64_t from_at = from_off ? (uint64_t)*from_off : position(from);
    uint64_t to_at = to_off ? (uint64_t)*to_off : position(to);
    ssize_t copied = REAL(copy_file_range)(from, from_off, to, to_off, len, flags);
    int copied_with = errno;
    on_file_copied(from, from_at, to, to_at, copied);
    errno = copied_with;
    END(copied);
}

#define SENDFILE(name, offset)                                            \
    ssize_t name(int to, int from, offset *from_off, size_t len)          \
    {                                                                     \
        static ssize_t (*real)(int, int, offset *, size_t);               \
        if (!real)                                                        \
            real = (__typeof__(real))dlsym(RTLD_NEXT, #name);             \
        BEGIN;                                                            \
        uint64_t from_at = from_off ? (uint64_t)*from_off : position(from); \
        uint64_t to_at = file_of(to) ? position(to) : 0;                  \
        ssize_t copied = real(to, from, from_off, len);                   \
        int copied_with = errno;                                          \
        on_file_copied(from, from_at, to, to_at, copied);                 \
        errno = copied_with;                                              \
        END(copied);                                                      \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define FTRUNCATE(name, offset)                          \
    int name(int fd, offset len)                         \
    {                                                    \
        BEGIN;                                           \
        int result = REAL(name)(fd, len);                \
        if (result == 0 && file_of(fd))                  \
            record('T', file_of(fd), len, NULL, 0);      \
        END(result);                                     \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FALLOCATE(name, offset)                          \
    int name(int fd, int mode, offset at, offset len)    \
    {                                                    \
        BEGIN;                                           \
        int result = REAL(name)(fd, mode, at, len);      \
        if (result == 0 && file_of(fd)) {                \
            if (mode != 0)                               \
                give_up("fallocate with a mode");        \
            record('X', file_of(fd), at + len, NULL, 0); \
        }                                                \
        END(result);                                     \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

#define POSIX_FALLOCATE(name, offset)                    \
    int name(int fd, offset at, offset len)              \
    {                                                    \
        BEGIN;                                           \
        int result = REAL(name)(fd, at, len);            \
        if (result == 0 && file_of(fd))                  \
            record('X', file_of(fd), at + len, NULL, 0); \
        END(result);                                     \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define SYNC(name)                                       \
    int name(int fd)                                     \
    {                                                    \
        BEGIN;                                           \
        int result = REAL(name)(fd);                     \
        if (result == 0 && file_of(fd))                  \
            record('S', file_of(fd), 0, NULL, 0);        \
        else if (result == 0 && recorded[fd] == FOLDER)  \
            record('D', 0, 0, NULL, 0);                  \
        END(result);                                     \
    }
SYNC(fsync)
SYNC(fdatasync)

int sync_file_range(int fd, off64_t at, off64_t len, unsigned flags)
{
    BEGIN;
    int result = REAL(sync_file_range)(fd, at, len, flags);
    if (result == 0 && file_of(fd))
        record('R', file_of(fd), at, NULL, 0);
    END(result);
}

/* To be asked before the call: afterwards the old name is gone. */
static size_t both_below(int from_dir, const char *from, int to_dir, const char *to, char *both)
{
    char below[PATH_SIZE];
    int is_from = is_below(from_dir, from, both);
    int is_to = is_below(to_dir, to, below);
    if (is_from != is_to)
        give_up("something is moved into the folder or out of it");
    if (!is_from)
        return 0;
    size_t len = strlen(both) + 1;
    strcpy(both + len, below);
    return len + strlen(below);
}

int rename(const char *from, const char *to)
{
    char both[2 * PATH_SIZE];
    BEGIN;
    size_t len = both_below(AT_FDCWD, from, AT_FDCWD, to, both);
    int result = REAL(rename)(from, to);
    if (result == 0 && len)
        record('N', 0, 0, both, len);
    END(result);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char both[2 * PATH_SIZE];
    BEGIN;
    size_t len = both_below(from_dir, from, to_dir, to, both);
    int result = REAL(renameat)(from_dir, from, to_dir, to);
    if (result == 0 && len)
        record('N', 0, 0, both, len);
    END(result);
}

int unlink(const char *path)
{
    char below[PATH_SIZE];
    BEGIN;
    int is_ours = is_below(AT_FDCWD, path, below);
    int result = REAL(unlink)(path);
    if (result == 0 && is_ours)
        record('U', 0, 0, below, strlen(below));
    END(result);
}

int unlinkat(int dir, const char *path, int flags)
{
    char below[PATH_SIZE];
    BEGIN;
    int is_ours = is_below(dir, path, below);
    int result = REAL(unlinkat)(dir, path, flags);
    if (result == 0 && is_ours)
        record('U', 0, 0, below, strlen(below));
    END(result);
}

int rmdir(const char *path)
{
    char below[PATH_SIZE];
    BEGIN;
    int is_ours = is_below(AT_FDCWD, path, below);
    int result = REAL(rmdir)(path);
    if (result == 0 && is_ours)
        record('U', 0, 0, below, strlen(below));
    END(result);
}

int mkdir(const char *path, mode_t mode)
{
    char below[PATH_SIZE];
    BEGIN;
    int is_ours = is_below(AT_FDCWD, path, below);
    int result = REAL(mkdir)(path, mode);
    if (result == 0 && is_ours)
        record('M', 0, 0, below, strlen(below));
    END(result);
}

/* What has no record. */

static void refuse(int dir, const char *path, const char *why)
{
    char below[PATH_SIZE];
    if (is_below(dir, path, below))
        give_up(why);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    refuse(from_dir, from, "renameat2");
    return REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to)
{
    refuse(AT_FDCWD, to, "link");
    return REAL(link)(from, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    refuse(to_dir, to, "linkat");
    return REAL(linkat)(from_dir, from, to_dir, to, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    refuse(dir, path, "mkdirat");
    return REAL(mkdirat)(dir, path, mode);
}

#define TRUNCATE(name, offset)                      \
    int name(const char *path, offset len)          \
    {                                               \
        refuse(AT_FDCWD, path, #name);              \
        return REAL(name)(path, len);               \
    }
TRUNCATE(truncate, off_t)
TRUNCATE(truncate64, off64_t)

#define MMAP(name, offset)                                                             \
    void *name(void *at, size_t len, int protection, int flags, int fd, offset offset_) \
    {                                                                                  \
        if (file_of(fd) && flags & MAP_SHARED && protection & PROT_WRITE)              \
            give_up("a file is mapped to be written");                                 \
        return REAL(name)(at, len, protection, flags, fd, offset_);                    \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)
