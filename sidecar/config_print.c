/* The key table for people: the manual's tables and the sample file. */
#include <stdlib.h>

#include "config.h"
void config_print_man(FILE *out)
{
	(void)out;
}
void config_print_sample(FILE *out)
{
	(void)out;
}
