/** Drag and drop within the page. */

const ITEM = 'application/x-armoire-item'

export function dragItem(event: DragEvent, id: number): void {
  event.dataTransfer?.setData(ITEM, String(id))
  if (event.dataTransfer) event.dataTransfer.effectAllowed = 'copyMove'
}

/** The id of the dropped pin, or null. */
export function draggedItem(event: DragEvent): number | null {
  const text = event.dataTransfer?.getData(ITEM)
  return text ? Number(text) : null
}

/** Whether files are dragged over the page. */
export const dragsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
