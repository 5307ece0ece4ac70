/* Returns memory of the start; see the header. Never touches a page that was or may have been
 * written: writable segments (including what is read-only after relocation) and libraries with
 * relocations in their code. */
#include "base/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/timer.h"

struct range {
	uintptr_t from, to; /* page boundaries */
};

static void *at(uintptr_t address)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): program headers hold addresses as integers */
	return (void *)address;
}

static struct range pages_of(const struct dl_phdr_info *library, const ElfW(Phdr) * segment)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = library->dlpi_addr + segment->p_vaddr;
	uintptr_t to = from + segment->p_memsz;

	return (struct range){.from = from / page * page, .to = (to + page - 1) / page * page};
}

/* If the loader has relocated code, the pages of that code were written, too. */
static bool relocates_code(const struct dl_phdr_info *library, const ElfW(Phdr) * segment)
{
	const ElfW(Dyn) *entry = at(library->dlpi_addr + segment->p_vaddr);

	if (segment->p_type != PT_DYNAMIC)
		return false;
	for (; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_TEXTREL ||
		    (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
			return true;
	return false;
}

static bool may_be_written(const struct dl_phdr_info *library, struct range range)
{
	for (size_t i = 0; i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
		struct range other = pages_of(library, segment);

		if (relocates_code(library, segment))
			return true;
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0 &&
		    other.from < range.to && range.from < other.to)
			return true;
	}
	return false;
}

static int give_back(struct dl_phdr_info *library, size_t size, void *arg)
{
	bool is_segue = library->dlpi_name[0] == '\0';
	bool is_vdso = library->dlpi_addr == getauxval(AT_SYSINFO_EHDR);

	(void)size;
	(void)arg;
	for (size_t i = 0; i < library->dlpi_phnum && !is_segue && !is_vdso; i++) {
		const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
		struct range range = pages_of(library, segment);

		/* a failure leaves the pages in memory */
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 &&
		    !may_be_written(library, range))
			madvise(at(range.from), range.to - range.from, MADV_DONTNEED);
	}
	return 0;
}

void memory_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(give_back, NULL);
}

static void on_timer(void *arg)
{
	(void)arg;
	memory_settle();
}

struct timer *memory_settle_later(struct event_base *base)
{
	struct timer *timer = timer_new(base, on_timer, NULL);

	timer_start(timer, MEMORY_SETTLE_MS);
	return timer;
}
